//! Work that is computed and written after the transaction.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use euryale::deferred::DeferredBook;
use euryale_test::{Answer, RawClient};

use super::{Site, header};
use crate::demo::content;
use crate::pages::archive;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deferred_answers_take_as_long_as_one() {
    let site = Site::start(2).await;
    for kind in ["", "&kind=blocking", "&kind=async"] {
        let began = Instant::now();
        let address = site.address;
        let path = format!("/@@deferred?ms=200{kind}");
        let asked: Vec<_> = (0..100)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { RawClient::connect(address).await?.get(&path).await })
            })
            .collect();
        for answer in asked {
            let answer = answer.await.unwrap().unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (200, "OK")
            );
            assert_eq!(header(&answer, "content-length"), "2");
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{kind}: {:?}",
            began.elapsed()
        );
    }
    for query in ["ms=soon", "kind=later", "ms=1&ms=2"] {
        assert_eq!(
            site.get(&format!("/@@deferred?{query}")).await.status,
            400,
            "{query}"
        );
    }
    for kind in ["blocking", "async"] {
        let path = format!("/@@deferred?ms=1&kind={kind}");
        let get = site.get(&path).await;
        let head = site.browse("HEAD", &path).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{kind}");
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(header(&head, name), header(&get, name), "{kind}: {name}");
        }
    }
    site.end().await;
}

/// The contents of an archive, by name.
fn unpacked(answer: &Answer) -> BTreeMap<String, Vec<u8>> {
    assert_eq!(
        (answer.status.as_u16(), header(answer, "content-type")),
        (200, "application/x-tar")
    );
    let mut archive = tar::Archive::new(answer.body.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    });
    entries.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_everything_at_and_below_a_path() {
    let site = Site::start(1).await;
    let all = unpacked(&site.get("/@@export").await);
    assert!(String::from_utf8_lossy(&all["index.md"]).starts_with("# "));
    for sample in content::samples().filter(|sample| sample.path != "/") {
        let name = format!("{}.md", &sample.path[1..]);
        assert!(
            String::from_utf8_lossy(&all[&name]).starts_with(&format!("# {}\n\n", sample.title)),
            "{name}"
        );
    }
    let below = unpacked(&site.get("/@@export?path=/guides").await);
    assert!(below.contains_key("guides.md") && below.contains_key("guides/cap.md"));
    let mut others = below.keys().filter(|name| !name.starts_with("guides"));
    assert_eq!(others.next().map(String::as_str), Some(archive::LIST));
    assert_eq!(others.next(), None);
    let saved = site.get("/@@export?path=/guides").await;
    let attached = header(&saved, "content-disposition");
    assert_eq!(attached, "attachment; filename=\"guides.tar\"");

    let large: String = ('a'..='z').cycle().take(300_000).collect();
    // The second has the name that the document beside it would have.
    let uploaded = site
        .upload("/guides", &[("large.txt", &large), ("cap.md", "a file")])
        .await;
    assert_eq!(uploaded.status, 201);
    let below = unpacked(&site.get("/@@export?path=/guides").await);
    assert_eq!(below["guides/large.txt"], large.as_bytes());
    assert_eq!(below["guides/cap.md"], b"a file");
    assert!(String::from_utf8_lossy(&below["guides/cap/index.md"]).starts_with("# "));
    let one = unpacked(&site.get("/@@export?path=/guides/large.txt").await);
    let names = one.into_keys().collect::<Vec<_>>();
    assert_eq!(names, [archive::LIST, "guides/large.txt"]);

    for (path, status) in [
        ("/nothing", 404),
        ("/guid", 404),
        ("", 400),
        ("guides", 400),
    ] {
        let answer = site.get(&format!("/@@export?path={path}")).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(site.browse("HEAD", "/@@export").await.status, 200);
    site.end().await;
}

/// The only connection is free while a client reads slowly, and the client gets the state at the
/// time of its request.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_moment_and_holds_no_connection() {
    let site = Site::start(1).await;
    let large: String = ('a'..='z').cycle().take(15_000_000).collect();
    assert_eq!(site.upload("/", &[("large.txt", &large)]).await.status, 201);
    let mut slow = site.peer().await;
    slow.send("GET /@@export?path=/large.txt HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    euryale_test::eventually("it is being written", || {
        site.ledger.of::<DeferredBook>().writers.get() == 1
    })
    .await;
    assert_eq!(site.send("DELETE", "/large.txt", "", "").await.status, 204);
    assert_eq!(site.get("/large.txt").await.status, 404);
    let answer = slow.read_answer(false).await.unwrap();
    assert_eq!(unpacked(&answer)["large.txt"], large.as_bytes());
    // Another one hangs up in the middle.
    assert_eq!(site.upload("/", &[("large.txt", &large)]).await.status, 201);
    let mut gone = site.peer().await;
    gone.send("GET /@@export HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    euryale_test::eventually("it is being written", || {
        site.ledger.of::<DeferredBook>().writers.get() == 1
    })
    .await;
    drop((gone, slow));
    site.end().await;
}

/// More files than may be open for it at a time.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_many_files_has_them_all() {
    let site = Site::start(1).await;
    for batch in 0..3 {
        let names: Vec<String> = (0..50)
            .map(|number| format!("{batch}-{number}.txt"))
            .collect();
        let files: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), name.as_str()))
            .collect();
        assert_eq!(site.upload("/guides", &files).await.status, 201);
    }
    let all = unpacked(&site.get("/@@export?path=/guides").await);
    for batch in 0..3 {
        for number in 0..50 {
            let name = format!("{batch}-{number}.txt");
            assert_eq!(all[&format!("guides/{name}")], name.as_bytes());
        }
    }
    site.end().await;
}

/// A file that is removed while the archive is written is not silently left out.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_misses_a_file_is_cut() {
    let site = Site::start(1).await;
    let large: String = ('a'..='z').cycle().take(15_000_000).collect();
    assert_eq!(
        site.upload("/guides", &[("0.txt", &large)]).await.status,
        201
    );
    for batch in 0..3 {
        let names: Vec<String> = (0..50)
            .map(|number| format!("{}-{number}.txt", batch + 1))
            .collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(site.upload("/guides", &files).await.status, 201);
    }
    let mut slow = site.peer().await;
    slow.send("GET /@@export?path=/guides HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    euryale_test::eventually("it is being written", || {
        site.ledger.of::<DeferredBook>().writers.get() == 1
    })
    .await;
    let gone = site.send("DELETE", "/guides/3-9.txt", "", "").await;
    assert_eq!(gone.status, 204);
    let answer = slow.read_answer(false).await;
    assert!(answer.is_err(), "it ended as if it were whole");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_too_much_is_refused() {
    let site = Site::start(1).await;
    site.other_program()
        .execute_batch(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001)
             INSERT INTO file (path, parent, blob, size, content_type, modified)
             SELECT '/guides/' || i, '/guides', '0/' || i, 1, 'text/plain', 0 FROM n",
        )
        .unwrap();
    let refused = site.get("/@@export?path=/guides").await;
    assert_eq!(refused.status, 422);
    let text = refused.text();
    assert!(text.contains("at most 20000 files"), "{text}");
    site.end().await;
}
