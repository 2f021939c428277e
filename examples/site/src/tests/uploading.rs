//! Files are uploaded in forms, are listed among the documents, and are deleted.

use std::fs;
use std::path::PathBuf;

use euryale::connection::PoolBook;
use euryale_test::{Answer, eventually};

use super::{Site, header};
use crate::cli::size;
use crate::demo::content;
use crate::store;

const MULTIPART: &str = "content-type: multipart/form-data; boundary=X-X\r\n";
const BROWSER: &str =
    "accept: text/html\r\norigin: http://localhost\r\nsec-fetch-site: same-origin\r\n";

pub(super) fn form(files: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        format!(
            "--X-X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n\
                {content}\r\n"
        )
    };
    files.iter().map(part).collect::<String>() + "--X-X--\r\n"
}

impl Site {
    pub(super) async fn upload(&self, path: &str, files: &[(&str, &str)]) -> Answer {
        self.send("POST", path, MULTIPART, &form(files)).await
    }

    /// The files in the folder of blobs, but for those that writers lock.
    pub(super) fn blobs(&self) -> Vec<PathBuf> {
        let entries = |folder: PathBuf| {
            fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        let writers = entries(self.folder.path().join("blobs")).filter(|path| path.is_dir());
        writers
            .flat_map(entries)
            .filter(|path| !path.ends_with("lock"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_uploads_replaces_and_removes_a_file() {
    let site = Site::start(2).await;
    let before = site.blobs().len();
    let made = site
        .upload(
            "/guides",
            &[("a b.txt", "one"), ("C:\\tmp\\c.svg", "<svg/>")],
        )
        .await;
    assert_eq!(
        (made.status.as_u16(), header(&made, "location")),
        (201, "/guides/a%20b.txt"),
        "{}",
        made.text()
    );
    assert_eq!(made.text(), "/guides/a b.txt\n/guides/c.svg\n");

    let file = site.get("/guides/a%20b.txt").await;
    assert_eq!((file.status.as_u16(), file.text().as_str()), (200, "one"));
    assert_eq!(header(&file, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        (
            header(&file, "content-length"),
            header(&file, "x-content-type-options")
        ),
        ("3", "nosniff")
    );
    assert!(
        header(&file, "etag").starts_with('"') && header(&file, "last-modified").ends_with("GMT")
    );
    assert!(header(&file, "content-security-policy").is_empty());
    let picture = site.get("/guides/c.svg").await;
    assert!(
        header(&picture, "content-security-policy").ends_with("sandbox"),
        "no script of it runs as the site's"
    );
    let head = site.browse("HEAD", "/guides/a%20b.txt").await;
    assert_eq!(
        (header(&head, "content-length"), head.text().as_str()),
        ("3", "")
    );

    let replaced = site.upload("/guides", &[("a b.txt", "another")]).await;
    assert_eq!(replaced.status, 201);
    let again = site.get("/guides/a%20b.txt").await;
    assert_eq!(again.text(), "another");
    assert_ne!(header(&again, "etag"), header(&file, "etag"));
    assert_eq!(
        site.blobs().len(),
        before + 2,
        "the blob that was replaced is gone"
    );

    for path in ["/guides/a%20b.txt", "/guides/c.svg"] {
        assert_eq!(site.send("DELETE", path, "", "").await.status, 204);
        assert_eq!(site.get(path).await.status, 404);
    }
    assert_eq!(site.blobs().len(), before);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_finds_the_form_the_file_and_the_way_to_delete_it() {
    let site = Site::start(2).await;
    let page = site.browse("GET", "/guides?new").await.text();
    let expected = "<form class=\"document\" action=\"/guides\" method=\"post\" \
        enctype=\"multipart/form-data\">";
    assert!(page.contains(expected), "{page}");
    let headers = format!("{MULTIPART}{BROWSER}");
    let sent = site
        .send("POST", "/guides", &headers, &form(&[("ü.bin", "12345")]))
        .await;
    assert_eq!(
        (sent.status.as_u16(), header(&sent, "location")),
        (303, "/guides")
    );
    let page = site.browse("GET", "/guides").await.text();
    let entry = "<li><a href=\"/guides/%C3%BC.bin\">ü.bin</a> <span class=\"size\">5 bytes</span>";
    assert!(
        page.contains(entry) && page.contains("href=\"/guides/%C3%BC.bin?delete\""),
        "{page}"
    );
    let asked = site.browse("GET", "/guides/%C3%BC.bin?delete").await.text();
    assert!(
        asked.contains("action=\"/guides/%C3%BC.bin?delete\" method=\"post\""),
        "{asked}"
    );
    assert!(
        asked.contains("This deletes “ü.bin” at <a href=\"/guides/%C3%BC.bin\">")
            && asked.contains("It cannot be undone.")
            && asked.contains("<button class=\"danger\""),
        "{asked}"
    );
    assert_eq!(
        site.get("/guides/%C3%BC.bin").await.text(),
        "12345",
        "asking deletes nothing"
    );
    let gone = site
        .send("POST", "/guides/%C3%BC.bin?delete", BROWSER, "")
        .await;
    assert_eq!(
        (gone.status.as_u16(), header(&gone, "location")),
        (303, "/guides")
    );
    assert_eq!(site.get("/guides/%C3%BC.bin").await.status, 404);

    let page = site.browse("GET", "/guides/cap").await.text();
    assert!(
        page.contains("<a class=\"delete\" href=\"/guides/cap?delete\">"),
        "{page}"
    );
    assert_eq!(
        site.send("POST", "/guides/cap?delete", BROWSER, "")
            .await
            .status,
        303
    );
    assert_eq!(site.get("/guides/cap").await.status, 404);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_are_refused_change_nothing() {
    let site = Site::start(2).await;
    let before = site.blobs();
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);
    let cases: [Case<'_>; 9] = [
        (
            "/nowhere",
            &[("a", "")],
            409,
            "There is no page at /nowhere to put files in. Make that first.",
        ),
        (
            "/guides",
            &[("ok.txt", "1"), ("cap", "")],
            409,
            "There is a page at /guides/cap. Give the file another name.",
        ),
        (
            "/guides",
            &[("a", ""), ("x/a", "")],
            400,
            "Two files are called a; send one of them.",
        ),
        (
            "/guides",
            &[("..", "a")],
            400,
            "A name must not be . or .., which stand for folders.",
        ),
        (
            "/guides",
            &[("a@@b", "")],
            400,
            "A name must not contain @@: such addresses belong to the site itself.",
        ),
        (
            "/guides",
            &[("x/", "1")],
            400,
            "A page or a file needs a name.",
        ),
        (
            "/guides",
            &[("", "")],
            400,
            "No file was sent: choose one, in a field named file.",
        ),
        (
            "/guides",
            &[("", "1")],
            400,
            "No file was sent: choose one, in a field named file.",
        ),
        (
            "/guides",
            &[],
            400,
            "No file was sent: choose one, in a field named file.",
        ),
    ];
    for (path, files, status, says) in cases {
        let answer = site.upload(path, files).await;
        assert_eq!(answer.status, status, "{says}");
        let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(problem["detail"], says);
    }
    let mixed = form(&[("a", "1")]).replace(
        "--X-X--",
        "--X-X\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nT\r\n--X-X--",
    );
    assert_eq!(
        site.send("POST", "/guides", MULTIPART, &mixed).await.status,
        400
    );
    let page = site
        .send("POST", "/guides/cap/x", MULTIPART, &form(&[("a", "1")]))
        .await;
    assert_eq!(page.status, 409);
    site.upload("/guides", &[("f", "1")]).await;
    let blocked = site
        .send(
            "POST",
            "/guides/f",
            "content-type: application/x-www-form-urlencoded\r\n",
            "title=T&body=",
        )
        .await;
    assert_eq!(blocked.status, 409, "no page where a file stands");
    assert_eq!(site.send("DELETE", "/guides/f", "", "").await.status, 204);
    assert_eq!(site.get("/guides/ok.txt").await.status, 404);
    assert_eq!(site.blobs(), before);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_be_sent_as_multipart() {
    let site = Site::start(2).await;
    let body = "--X-X\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nT\r\n\
                --X-X\r\ncontent-disposition: form-data; name=\"body\"\r\n\r\n*zorilla*\r\n\
                --X-X--\r\n";
    assert_eq!(site.send("POST", "/m", MULTIPART, body).await.status, 201);
    assert!(site.get("/m").await.text().contains("<em>zorilla</em>"));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_is_linked_and_no_byte_is_lost() {
    let site = Site::start(1).await;
    let content: String = (0..1_200_000)
        .map(|n| char::from(b'a' + (n % 23) as u8))
        .collect();
    assert_eq!(
        site.upload("/", &[("large.txt", &content)]).await.status,
        201
    );
    assert!(
        site.get("/large.txt").await.text() == content,
        "byte for byte"
    );
    // Refused by its announced length, without waiting for any of it.
    let mut peer = site.peer().await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n{MULTIPART}\r\n",
        (16 << 20) + 1
    );
    peer.send(head).await.unwrap();
    assert_eq!(peer.read_answer(false).await.unwrap().status, 413);
    assert_eq!(site.get("/larger.txt").await.status, 404);
    site.end().await;
}

/// A request that has opened the file continues to read it; one that found it before it was
/// replaced looks it up again.
#[tokio::test(flavor = "multi_thread")]
async fn missing_file_of_a_row_is_an_error_and_does_not_hang() {
    let site = Site::start(1).await;
    site.upload("/", &[("f", "1")]).await;
    let name: String = site
        .other_program()
        .query_row("SELECT blob FROM file WHERE path = '/f'", [], |row| {
            row.get(0)
        })
        .unwrap();
    fs::remove_file(site.folder.path().join("blobs").join(name)).unwrap();
    assert_eq!(site.get("/f").await.status, 500);
    assert_eq!(
        site.ledger.transactions.attempts.get(),
        1 + 2,
        "it looked a second time"
    );
    eventually("the site goes on", || {
        site.ledger.of::<PoolBook>().publishers.running.get() == 0
    })
    .await;
    assert_eq!(site.get("/").await.status, 200);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_have_their_pictures_and_a_large_file() {
    let site = Site::start(2).await;
    for (path, bytes) in content::PICTURES {
        let picture = site.get(path).await;
        assert_eq!(
            (picture.status.as_u16(), header(&picture, "content-type")),
            (200, "image/svg+xml"),
            "{path}"
        );
        assert_eq!(picture.body, bytes);
        assert!(
            store::parent(path)
                .is_some_and(|folder| content::samples().any(|page| page.path == folder))
        );
    }
    let chord = site.get(content::CHORD).await;
    assert_eq!(
        (header(&chord, "content-type"), chord.body.len()),
        ("audio/wav", 44 + 44_100 * 4)
    );
    assert_eq!(&chord.body[..4], b"RIFF");
    site.end().await;
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("1", 1),
        ("512K", 512 << 10),
        ("3M", 3 << 20),
        ("1G", 1 << 30),
        ("2T", 2 << 40),
    ] {
        assert_eq!(
            (size::parse(text), size::text(bytes).as_str()),
            (Ok(bytes), text)
        );
    }
    for text in [
        "",
        "K",
        "0",
        "0M",
        "-1",
        "1.5G",
        "1GB",
        "1g",
        "99999999999T",
        "+1",
    ] {
        assert!(size::parse(text).is_err(), "{text}");
    }
    let shown = [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (21_168_044, "20.2 MiB"),
    ];
    for (bytes, text) in shown {
        assert_eq!(size::shown(bytes), text);
    }
}

/// Without a charset, browsers read some texts as Latin-1.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_all_kinds_are_sent_as_utf_8() {
    let site = Site::start(2).await;
    let headers = format!("{MULTIPART}{BROWSER}");
    for (name, content_type) in [
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.unknown", "application/octet-stream"),
    ] {
        let sent = form(&[(name, "Ä")]);
        assert_eq!(site.send("POST", "/", &headers, &sent).await.status, 303);
        let file = site.get(&format!("/{name}")).await;
        assert_eq!(header(&file, "content-type"), content_type);
    }
    // A row from before has a type without a charset, or with one.
    for stored in ["text/markdown", "text/markdown; charset=utf-8"] {
        let update = "UPDATE file SET content_type = ?1 WHERE path = '/a.md'";
        site.other_program().execute(update, [stored]).unwrap();
        let file = site.get("/a.md").await;
        assert_eq!(
            header(&file, "content-type"),
            "text/markdown; charset=utf-8"
        );
    }
    site.end().await;
}

/// A `Content-Type` alone does not put a request into the lane of uploads, or give it ten times as
/// long.
#[test]
fn only_a_post_is_an_upload() {
    use http::{HeaderMap, HeaderValue, Method};
    let mut headers = HeaderMap::new();
    let multipart = HeaderValue::from_static("multipart/form-data; boundary=b");
    headers.insert("content-type", multipart);
    for (method, is) in [
        (Method::POST, true),
        (Method::GET, false),
        (Method::PUT, false),
    ] {
        assert_eq!(
            crate::pages::form::is_upload(&method, &headers),
            is,
            "{method}"
        );
    }
}
