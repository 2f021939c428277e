//! Names that look like others, and files that do not match their rows or names.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::store::Row;
use euryale::store::StoreBook;
use euryale_test::Answer;

use super::{Site, header};
use crate::pages::address;

const GZIP: &str = "accept-encoding: gzip\r\n";

fn date(answer: &Answer, name: &str) -> SystemTime {
    httpdate::parse_http_date(header(answer, name)).unwrap()
}

impl Site {
    /// The location of the bytes of the file at `path`.
    fn blob(&self, path: &str) -> PathBuf {
        let sql = "SELECT blob FROM file WHERE path = ?1";
        let name = |row: &Row<'_>| row.get::<_, String>(0);
        let blob = self.other_program().query_row(sql, [path], name).unwrap();
        self.folder.path().join("blobs").join(blob)
    }

    fn changed_at(&self, path: &str, seconds: i64) {
        let sql = "UPDATE file SET modified = ?2 WHERE path = ?1";
        self.other_program().execute(sql, (path, seconds)).unwrap();
    }
}

/// As after an interrupted backup: neither the file, nor a part, nor an archive with it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lost_its_end_is_not_served() {
    let site = Site::start(2).await;
    let text = "eleven byte";
    assert_eq!(site.upload("/", &[("a.png", text)]).await.status, 201);
    let tag = header(&site.get("/a.png").await, "etag").to_owned();
    let blob = site.blob("/a.png");
    for content in ["", "eleven", "eleven bytes"] {
        fs::write(&blob, content).unwrap();
        let known = format!("if-none-match: {tag}\r\n");
        for (path, fields) in [
            ("/a.png", ""),
            ("/a.png", "range: bytes=0-1\r\n"),
            ("/a.png", &known),
            ("/a.png/@@scale/64", ""),
            ("/@@export?path=/a.png", ""),
        ] {
            let answer = site.send("GET", path, fields, "").await;
            assert_eq!(answer.status, 500, "{path} {fields} {content:?}");
            assert!(!answer.text().contains("blobs"), "{}", answer.text());
        }
    }
    assert_eq!(site.ledger.of::<StoreBook>().damaged.get(), 15);
    fs::write(&blob, text).unwrap();
    assert_eq!(site.get("/a.png").await.text(), text);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_drawing_is_sent_with_its_coding_and_never_coded_twice() {
    let site = Site::start(1).await;
    // gzip's first bytes, which are no UTF-8 (RFC 1952 §2.3.1).
    let long = [&b"\x1f\x8b"[..], &b"0123456789".repeat(500)].concat();
    site.upload_bytes("a.svgz", &long).await;
    for fields in ["", GZIP, "accept-encoding: identity\r\n"] {
        let answer = site.send("GET", "/a.svgz", fields, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(header(&answer, "content-type"), "image/svg+xml");
        assert_eq!(header(&answer, "content-encoding"), "gzip", "{fields}");
        assert_eq!(answer.body, long, "the bytes are those that were uploaded");
        assert!(header(&answer, "content-security-policy").ends_with("sandbox"));
    }
    let tag = header(&site.get("/a.svgz").await, "etag").to_owned();
    let part = format!("{GZIP}range: bytes=12-14\r\nif-range: {tag}\r\n");
    let part = site.send("GET", "/a.svgz", &part, "").await;
    assert_eq!((part.status.as_u16(), &*part.text()), (206, "012"));
    assert_eq!(header(&part, "content-encoding"), "gzip");
    let known = format!("if-none-match: {tag}\r\n");
    assert_eq!(site.send("GET", "/a.svgz", &known, "").await.status, 304);
    site.end().await;
}

/// No browser shows what it cannot unpack.
#[tokio::test(flavor = "multi_thread")]
async fn a_drawing_that_is_not_compressed_has_no_coding() {
    let site = Site::start(1).await;
    for (name, text) in [("a.svgz", "<svg/>"), ("b.SVGZ", ""), ("c.svgz", "x")] {
        assert_eq!(site.upload("/", &[(name, text)]).await.status, 201);
        let answer = site.get(&format!("/{name}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.text()), (200, text));
        assert_eq!(header(&answer, "content-encoding"), "", "{name}");
    }
    site.end().await;
}

/// RFC 9110 §8.8.2.1, for files whose time of change is that of a clock which is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn last_modified_is_never_after_the_date_of_the_answer() {
    let site = Site::start(1).await;
    assert_eq!(site.upload("/", &[("a.txt", "text")]).await.status, 201);
    for seconds in [4_102_444_800, 15_000_000_000, i64::MAX] {
        site.changed_at("/a.txt", seconds);
        for method in ["GET", "HEAD"] {
            let answer = site.browse(method, "/a.txt").await;
            assert!(
                date(&answer, "last-modified") <= date(&answer, "date"),
                "{seconds}"
            );
        }
    }
    for seconds in [i64::MIN, -1, 0, 1] {
        site.changed_at("/a.txt", seconds);
        let answer = site.get("/a.txt").await;
        // The row has no time, and so it is that of the file beside the database.
        let age = date(&answer, "date").duration_since(date(&answer, "last-modified"));
        assert!(age.unwrap().as_secs() < 600, "{seconds}");
    }
    site.changed_at("/a.txt", 784_111_777);
    let answer = site.get("/a.txt").await;
    assert_eq!(
        header(&answer, "last-modified"),
        "Sun, 06 Nov 1994 08:49:37 GMT"
    );
    site.end().await;
}

/// Typed, a letter is composed; in a name from macOS it is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_however_its_letters_are_composed() {
    const COMPOSED: &str = "/caf%C3%A9";
    const DECOMPOSED: &str = "/cafe%CC%81";
    let site = Site::start(1).await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let made = site.send("POST", DECOMPOSED, form, "title=T&body=").await;
    assert_eq!(
        (made.status.as_u16(), header(&made, "location")),
        (201, COMPOSED)
    );
    for path in [COMPOSED, DECOMPOSED] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
        let again = site.send("POST", path, form, "title=T&body=x").await;
        assert_eq!(again.status, 204, "one page, and not two: {path}");
        let export = site.get(&format!("/@@export?path={path}")).await;
        assert_eq!(export.status, 200);
        let uploaded = site.upload(path, &[("e\u{301}.txt", "x")]).await;
        assert_eq!(header(&uploaded, "location"), "/caf%C3%A9/%C3%A9.txt");
    }
    let file = site.get(&format!("{DECOMPOSED}/e%CC%81.txt")).await;
    assert_eq!(file.text(), "x");
    let gone = site
        .send("DELETE", &format!("{DECOMPOSED}/e%CC%81.txt"), "", "")
        .await;
    assert_eq!(gone.status, 204);
    site.end().await;
}

#[test]
fn names_with_invisible_characters_are_refused() {
    for wrong in "\u{ad}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}".chars() {
        let error = address::join("/", &format!("a{wrong}b")).unwrap_err();
        assert!(error.contains("are invisible"), "{error}");
    }
    // Emoji of several, and words of Persian and Hindi, have joiners.
    for right in [
        "\u{1f469}\u{200d}\u{1f4bb}",
        "می\u{200c}خواهم",
        "क\u{200d}ष",
    ] {
        assert!(address::join("/", right).is_ok(), "{right}");
    }
}
