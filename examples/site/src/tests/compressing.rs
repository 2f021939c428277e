//! Pages are compressed; files and parts of them never are.

use std::io::Read;

use euryale_sendfile::SendfileBook;
use euryale_test::eventually;
use flate2::read::GzDecoder;

use super::{Site, header};

const GZIP: &str = "accept: text/html\r\naccept-encoding: gzip, br;q=0\r\n";

#[tokio::test]
async fn page_is_compressed_if_the_client_accepts_it() {
    let site = Site::start(1).await;
    let plain = site.send("GET", "/", "accept: text/html\r\n", "").await;
    assert_eq!(header(&plain, "content-encoding"), "");
    for path in ["/", "/missing"] {
        let answer = site.send("GET", path, GZIP, "").await;
        assert_eq!(header(&answer, "content-encoding"), "gzip", "{path}");
        assert!(
            answer
                .headers
                .get_all("vary")
                .iter()
                .any(|name| name == "accept-encoding"),
            "{path}"
        );
        let mut text = String::new();
        GzDecoder::new(&answer.body[..])
            .read_to_string(&mut text)
            .unwrap();
        assert!(
            text.contains("</html>") && text.len() > answer.body.len(),
            "{path}"
        );
    }
    site.end().await;
}

#[tokio::test]
async fn files_leave_as_they_are_by_sendfile() {
    let site = Site::start(1).await;
    let content = "a line of text that would be compressed well\n".repeat(1000);
    assert_eq!(
        site.upload("/", &[("file.txt", &content), ("page.html", &content)])
            .await
            .status,
        201
    );
    let mut sent = 0;
    for path in ["/file.txt", "/page.html"] {
        for (range, status) in [
            ("", 200),
            ("range: bytes=0-9999\r\n", 206),
            ("range: bytes=0-1,5000-5001\r\n", 206),
        ] {
            let answer = site.send("GET", path, &format!("{GZIP}{range}"), "").await;
            assert_eq!(
                (answer.status.as_u16(), header(&answer, "content-encoding")),
                (status, ""),
                "{path} {range}"
            );
            assert!(header(&answer, "etag").starts_with('"'), "{path} {range}");
        }
        sent += 2;
        let files = site.ledger.of::<SendfileBook>();
        eventually("whole files and single parts leave by sendfile", || {
            files.blobs.get() >= sent
        })
        .await;
    }
    site.end().await;
}

/// Accepted codings of clients, with the coding that they get.
const TAKEN: [(&str, &str); 8] = [
    ("gzip, deflate, br, zstd", "zstd"),
    ("gzip, deflate, br", "gzip"),
    ("zstd", "zstd"),
    ("br", "br"),
    ("br, identity;q=0", "br"),
    ("zstd;q=0, br;q=0.1", "br"),
    ("deflate", ""),
    ("*;q=0", ""),
];

#[tokio::test]
async fn a_client_that_takes_one_coding_gets_it() {
    let site = Site::start(1).await;
    let plain = site
        .send("GET", "/guides", "accept: text/html\r\n", "")
        .await;
    for (taken, coding) in TAKEN {
        let head = format!("accept: text/html\r\naccept-encoding: {taken}\r\n");
        let answer = site.send("GET", "/guides", &head, "").await;
        assert_eq!(header(&answer, "content-encoding"), coding, "{taken}");
        assert_eq!(header(&answer, "etag"), header(&plain, "etag"), "{taken}");
        let mut text = Vec::new();
        let coded = &answer.body[..];
        match coding {
            "gzip" => GzDecoder::new(coded).read_to_end(&mut text).map(drop),
            "zstd" => zstd::stream::copy_decode(coded, &mut text),
            "br" => brotli::BrotliDecompress(&mut &*coded, &mut text),
            _ => (&*coded).read_to_end(&mut text).map(drop),
        }
        .unwrap();
        assert_eq!(text, plain.body, "{taken}");
    }
    site.end().await;
}

#[tokio::test]
async fn a_304_varies_as_its_200() {
    let site = Site::start(1).await;
    let page = site.send("GET", "/guides", GZIP, "").await;
    let known = format!("{GZIP}if-none-match: {}\r\n", header(&page, "etag"));
    let again = site.send("GET", "/guides", &known, "").await;
    assert_eq!(again.status, 304);
    for name in ["etag", "vary"] {
        assert_ne!(header(&page, name), "", "{name}");
        assert_eq!(header(&again, name), header(&page, name), "{name}");
    }
    site.end().await;
}
