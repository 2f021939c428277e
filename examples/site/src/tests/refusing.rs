//! A layer that refuses a request refuses it before its transaction. Whatever surrounds the stack
//! must not turn the answer of a committed one into a refusal, or a client does it twice.

use http::StatusCode;

use super::Site;

/// The headers of a `POST` to the counter, and its expected answer.
const REQUESTS: [(&str, u16); 44] = [
    ("", 200),
    // Compression.
    ("accept-encoding: identity;q=0\r\n", 200),
    ("accept-encoding: *;q=0\r\n", 200),
    ("accept-encoding: gzip;q=0, identity;q=0, *;q=0\r\n", 200),
    ("accept-encoding: compress, identity;q=0\r\n", 200),
    ("accept-encoding: identity;q=0, gzip\r\n", 200),
    ("accept-encoding: br, zstd\r\n", 200),
    // Codings that are not negotiated here.
    ("accept: image/png\r\n", 200),
    ("accept: text/html;q=0, */*;q=0\r\n", 200),
    ("accept-charset: koi8-r\r\n", 200),
    ("accept-language: tlh\r\n", 200),
    ("te: trailers, gzip;q=0\r\n", 200),
    // Conditions and ranges, of the chain of transforms and of files.
    ("if-match: \"1\"\r\n", 412),
    ("if-match: *\r\n", 200),
    ("if-none-match: *\r\n", 412),
    ("if-none-match: \"1\", W/\"1~1.1\"\r\n", 200),
    ("if-modified-since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 200),
    (
        "if-unmodified-since: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
        200,
    ),
    ("range: bytes=0-0\r\n", 200),
    ("range: bytes=1000-\r\nif-range: \"1\"\r\n", 200),
    // Off switches and commands that only a proxy may send.
    ("transform-off: *\r\n", 200),
    ("x-sendfile-type: X-Accel-Redirect\r\n", 200),
    ("x-accel-mapping: /=/\r\n", 200),
    // Other sites.
    ("sec-fetch-site: same-origin\r\n", 200),
    ("sec-fetch-site: cross-site\r\n", 403),
    (
        "sec-fetch-site: cross-site\r\naccept-encoding: *;q=0\r\n",
        403,
    ),
    ("origin: http://evil.example\r\n", 403),
    ("origin: null\r\n", 403),
    // Fields of a proxy.
    (
        "x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n",
        200,
    ),
    ("x-forwarded-host: other.example\r\n", 421),
    ("x-forwarded-host: a b\r\n", 400),
    ("x-forwarded-proto: gopher\r\n", 400),
    ("x-forwarded-port: 99999\r\n", 400),
    // Bodies.
    ("content-type: application/json\r\n", 200),
    ("content-type: application/x-www-form-urlencoded\r\n", 200),
    ("content-type: multipart/form-data\r\n", 400),
    ("content-encoding: gzip\r\n", 200),
    // Protocols.
    ("connection: upgrade\r\nupgrade: h2c, foo\r\n", 200),
    ("upgrade: websocket\r\nconnection: upgrade\r\n", 200),
    ("connection: close\r\n", 200),
    ("content-length: 5\r\n", 400),
    ("transfer-encoding: gzip\r\n", 400),
    ("host: other\r\n", 400),
    ("a name: value\r\n", 400),
];

async fn number(site: &Site) -> usize {
    site.get("/@@counter").await.text().trim().parse().unwrap()
}

#[tokio::test]
async fn every_layer_that_refuses_a_post_does_so_before_it_is_counted() {
    let flags = [
        "--trusted-proxy=127.0.0.1",
        "--host=localhost",
        "--demo",
        "--allow-writes",
    ];
    let site = Site::start_with(1, &flags).await;
    let mut surprises = Vec::new();
    for (headers, expected) in REQUESTS {
        let before = number(&site).await;
        let answer = site.send("POST", "/@@counter", headers, "").await;
        let status = answer.status.as_u16();
        let counted = number(&site).await - before;
        let is_number = answer.text() == format!("{}\n", before + 1);
        let is_right = counted == usize::from(status == 200) && is_number == (status == 200);
        if status != expected || !is_right {
            surprises.push(format!("{headers:?}: {status}, counted {counted}"));
        }
    }
    assert_eq!(surprises, [""; 0]);
    site.end().await;
}

/// Answers that depend on the address, the body and the state of the site.
#[tokio::test]
async fn refused_post_changes_nothing_and_a_created_page_is_not_refused() {
    let site = Site::start(1).await;
    for (path, status) in [
        ("/@@counter?mode=late", 400),
        ("/@@counter?mode=none", 400),
        ("/@@feed", 405),
    ] {
        let before = number(&site).await;
        let answer = site.send("POST", path, "", "").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(number(&site).await, before, "{path}");
    }
    let large = "x".repeat(5 << 20);
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let answer = site.send("POST", "/@@counter", form, &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let busy = site.other_program();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = site.send("POST", "/@@counter", "", "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    busy.execute_batch("ROLLBACK").unwrap();
    assert_eq!(number(&site).await, 0);

    let head = format!("{form}accept-encoding: identity;q=0\r\n");
    let made = site.send("POST", "/once", &head, "title=T&body=").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(site.get("/once").await.status, StatusCode::OK);
    site.end().await;
}
