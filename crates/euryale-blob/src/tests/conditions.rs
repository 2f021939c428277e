//! Tests of conditional requests, in the order of RFC 9110 §13.

use std::time::{Duration, SystemTime};

use euryale_core::{Blob, Body, Response};
use euryale_test::assert_quiet;
use http::Request;
use tower::ServiceExt;

use super::{Answer, DATE, EARLIER, LATER, ask, file_of, get, headers, layer, serving};
use crate::BlobBook;

const CONTENT: &[u8] = b"0123456789";
/// The tag of a file of 10 bytes that was changed at that time.
const OWN: &str = "\"17979cfe53f76500-a\"";

/// Returns the status of a request with these fields for a response with the tag `"t"` that was
/// changed at that time.
async fn status(method: &str, fields: &[(&str, &str)]) -> u16 {
    ask(method, CONTENT, fields, &[("etag", "\"t\"")])
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn each_condition_is_evaluated_alone() {
    for (name, value, expected) in [
        // §13.1.1: strong comparison.
        ("if-match", "\"t\"", 200),
        ("if-match", "*", 200),
        ("if-match", "\"a\", \"t\"", 200),
        ("if-match", "\"a\"  ,,  \"t\"", 200),
        ("if-match", "\"a,\\\", \"t\"", 200),
        ("if-match", "W/\"t\"", 412),
        ("if-match", "\"a\"", 412),
        ("if-match", "\"T\"", 412),
        ("if-match", "t", 412),
        ("if-match", "\"t", 412),
        ("if-match", "", 412),
        // §13.1.2: weak comparison.
        ("if-none-match", "\"t\"", 304),
        ("if-none-match", "W/\"t\"", 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"a\", W/\"t\"", 304),
        ("if-none-match", "\"a,t\"", 200),
        ("if-none-match", "\"a\"", 200),
        ("if-none-match", "w/\"t\"", 200),
        ("if-none-match", "t", 200),
        ("if-none-match", "t, \"t\"", 304),
        ("if-none-match", "", 200),
        // §13.1.3.
        ("if-modified-since", DATE, 304),
        ("if-modified-since", LATER, 304),
        ("if-modified-since", EARLIER, 200),
        ("if-modified-since", "Tuesday, 14-Nov-23 22:13:20 GMT", 304),
        ("if-modified-since", "Tue Nov 14 22:13:20 2023", 304),
        ("if-modified-since", "yesterday", 200),
        ("if-modified-since", "", 200),
        // §13.1.4.
        ("if-unmodified-since", DATE, 200),
        ("if-unmodified-since", LATER, 200),
        ("if-unmodified-since", EARLIER, 412),
        ("if-unmodified-since", "tomorrow", 200),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(
                status(method, &[(name, value)]).await,
                expected,
                "{method} {name}: {value}"
            );
        }
        assert_eq!(
            status("POST", &[(name, value)]).await,
            200,
            "the work is done: {name}: {value}"
        );
    }
}

#[tokio::test]
async fn conditions_are_evaluated_in_order() {
    let yes = "\"t\"";
    let no = "\"a\"";
    for (fields, expected) in [
        // If-Match overrides If-Unmodified-Since.
        (
            vec![("if-match", yes), ("if-unmodified-since", EARLIER)],
            200,
        ),
        (vec![("if-match", no), ("if-unmodified-since", LATER)], 412),
        // If-None-Match overrides If-Modified-Since.
        (
            vec![("if-none-match", no), ("if-modified-since", LATER)],
            200,
        ),
        (
            vec![("if-none-match", yes), ("if-modified-since", EARLIER)],
            304,
        ),
        // 412 takes precedence over 304.
        (vec![("if-match", no), ("if-none-match", yes)], 412),
        (vec![("if-match", yes), ("if-none-match", yes)], 304),
        (vec![("if-match", yes), ("if-none-match", no)], 200),
        (
            vec![("if-unmodified-since", EARLIER), ("if-none-match", yes)],
            412,
        ),
        (
            vec![("if-unmodified-since", LATER), ("if-none-match", yes)],
            304,
        ),
        (
            vec![("if-unmodified-since", LATER), ("if-modified-since", LATER)],
            304,
        ),
        (
            vec![
                ("if-unmodified-since", EARLIER),
                ("if-modified-since", LATER),
            ],
            412,
        ),
        // All conditions are evaluated before the range, even before one that cannot be satisfied.
        (vec![("if-match", no), ("range", "bytes=0-0")], 412),
        (vec![("if-match", yes), ("range", "bytes=0-0")], 206),
        (vec![("if-none-match", yes), ("range", "bytes=0-0")], 304),
        (vec![("if-none-match", no), ("range", "bytes=0-0")], 206),
        (
            vec![("if-modified-since", DATE), ("range", "bytes=0-0")],
            304,
        ),
        (
            vec![("if-modified-since", EARLIER), ("range", "bytes=0-0")],
            206,
        ),
        (vec![("if-none-match", yes), ("range", "bytes=10-")], 304),
        (vec![("if-match", no), ("range", "bytes=10-")], 412),
        (vec![("range", "bytes=10-")], 416),
        // If-Range affects only the range.
        (vec![("if-range", yes), ("range", "bytes=0-0")], 206),
        (vec![("if-range", no), ("range", "bytes=0-0")], 200),
        (vec![("if-range", no), ("range", "bytes=10-")], 200),
        (vec![("if-range", yes), ("range", "bytes=10-")], 416),
        (vec![("if-range", yes)], 200),
        (
            vec![
                ("if-range", no),
                ("if-none-match", yes),
                ("range", "bytes=0-0"),
            ],
            304,
        ),
        (
            vec![("if-range", yes), ("if-match", no), ("range", "bytes=0-0")],
            412,
        ),
        // It requires a strong tag or the exact date (§13.1.5).
        (vec![("if-range", "W/\"t\""), ("range", "bytes=0-0")], 200),
        (vec![("if-range", DATE), ("range", "bytes=0-0")], 206),
        (vec![("if-range", LATER), ("range", "bytes=0-0")], 200),
        (vec![("if-range", EARLIER), ("range", "bytes=0-0")], 200),
        (vec![("if-range", "*"), ("range", "bytes=0-0")], 200),
        (vec![("if-range", "t"), ("range", "bytes=0-0")], 200),
        (
            vec![("if-range", yes), ("if-range", yes), ("range", "bytes=0-0")],
            200,
        ),
        // A field that is not a list must not have two lines.
        (vec![("range", "bytes=0-0"), ("range", "bytes=1-1")], 200),
        (
            vec![("if-modified-since", LATER), ("if-modified-since", LATER)],
            200,
        ),
        (
            vec![
                ("if-unmodified-since", EARLIER),
                ("if-unmodified-since", EARLIER),
            ],
            200,
        ),
        // A list may have several lines.
        (vec![("if-none-match", no), ("if-none-match", yes)], 304),
        (vec![("if-match", no), ("if-match", yes)], 200),
    ] {
        assert_eq!(status("GET", &fields).await, expected, "{fields:?}");
    }
}

#[tokio::test]
async fn a_publishers_weak_tag_is_never_compared_as_strong() {
    let status = async |name, value| {
        let fields = [(name, value), ("range", "bytes=0-0")];
        ask("GET", CONTENT, &fields, &[("etag", "W/\"t\"")])
            .await
            .status
            .as_u16()
    };
    assert_eq!(status("if-none-match", "\"t\"").await, 304);
    for value in ["\"t\"", "W/\"t\""] {
        assert_eq!(status("if-match", value).await, 412, "{value}");
        assert_eq!(status("if-range", value).await, 200, "{value}");
    }
    assert_eq!(status("if-range", DATE).await, 206, "the date stands");
}

#[tokio::test]
async fn the_publishers_validators_override_those_of_the_blob() {
    let answer = get(CONTENT, &[]).await;
    assert_eq!(
        (answer.header("etag"), answer.header("last-modified")),
        (OWN, DATE)
    );
    assert_eq!(
        (answer.header("accept-ranges"), answer.size),
        ("bytes", Some(10))
    );
    assert_eq!(&answer.body[..], CONTENT);
    let given = [("etag", "\"mine\""), ("last-modified", EARLIER)];
    let answer = ask("GET", CONTENT, &[("if-modified-since", EARLIER)], &given).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("etag")),
        (304, "\"mine\"")
    );
}

#[tokio::test]
async fn head_has_the_fields_of_get_and_reads_nothing() {
    let answer = ask(
        "HEAD",
        CONTENT,
        &[("range", "bytes=0-0")],
        &[("content-type", "text/plain")],
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-length")),
        (200, "10")
    );
    assert_eq!(
        (answer.header("etag"), answer.header("content-type")),
        (OWN, "text/plain")
    );
    assert_eq!((answer.size, answer.body.len()), (Some(10), 0));
    let (layer, ledger) = layer();
    let file = file_of(CONTENT);
    let service = serving(&layer, move || {
        let mut response = Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()));
        Body::publish_handle(&mut response, &euryale_core::Ledger::new());
        // axum's Router leaves the length of the removed body.
        response.headers_mut().insert("content-length", 10.into());
        response.map(|_| Body::empty())
    });
    let request = Request::head("/")
        .header("if-none-match", OWN)
        .body(())
        .unwrap();
    assert_eq!(
        service.clone().oneshot(request).await.unwrap().status(),
        304
    );
    let response = service
        .oneshot(Request::head("/").body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (
            response.headers()["etag"].to_str().unwrap(),
            response.status().as_u16()
        ),
        (OWN, 200)
    );
    drop(response);
    assert_eq!(ledger.of::<BlobBook>().read.get(), 0);
    assert_quiet(&ledger).await;
}

/// A 304 has the fields of the 200 that RFC 9110 §15.4.5 requires, and none that describe the
/// content.
#[tokio::test]
async fn a_304_has_the_required_fields_only() {
    let given = [
        ("cache-control", "max-age=60"),
        ("content-location", "/here"),
        ("expires", LATER),
        ("vary", "cookie"),
        ("content-type", "text/plain"),
        ("content-language", "en"),
        ("content-disposition", "inline"),
        ("content-digest", "sha-256=:AAAA:"),
        ("set-cookie", "a=b"),
    ];
    let answer = ask("GET", CONTENT, &[("if-none-match", "*")], &given).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0));
    let mut names: Vec<&str> = answer
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cache-control",
            "content-location",
            "etag",
            "expires",
            "set-cookie",
            "vary"
        ]
    );
}

#[tokio::test]
async fn refusals_are_not_cacheable() {
    let given = [
        ("cache-control", "max-age=60"),
        ("cdn-cache-control", "max-age=60"),
        ("content-type", "a/b"),
    ];
    for (field, status) in [(("if-match", "\"a\""), 412), (("range", "bytes=10-"), 416)] {
        let answer = ask("GET", CONTENT, &[field], &given).await;
        assert_eq!((answer.status.as_u16(), answer.size), (status, Some(0)));
        let range = if status == 416 { "bytes */10" } else { "" };
        assert_eq!(answer.header("content-range"), range);
        let expected: &[_] = &[("cache-control", "no-store"), ("content-range", range)];
        assert_eq!(
            answer.headers,
            headers(&expected[..1 + usize::from(status == 416)])
        );
    }
}

/// A file that has only just been changed may change again and keep its time.
#[tokio::test]
async fn a_recently_changed_file_has_a_weak_tag() {
    let (layer, ledger) = layer();
    let file = file_of(CONTENT);
    let at = |time: SystemTime| {
        let file = file.try_clone().unwrap();
        file.set_modified(time).unwrap();
        let blob = Blob::new(file).unwrap();
        let service = serving(&layer, move || Response::new(Body::from(blob.clone())));
        async move { Answer::of(service.oneshot(Request::new(())).await.unwrap()).await }
    };
    let now = SystemTime::now();
    let answer = at(now).await;
    assert!(answer.header("etag").starts_with("W/\""));
    let future = at(now + Duration::from_secs(1000)).await;
    let sent = httpdate::parse_http_date(future.header("last-modified")).unwrap();
    assert!(
        sent <= SystemTime::now(),
        "not in the future (RFC 9110 §8.8.2.1)"
    );
    assert!(future.header("etag").starts_with("W/\""));
    // Its date does not suffice to continue a download either (§13.1.5).
    let young = file.try_clone().unwrap();
    young.set_modified(now).unwrap();
    let blob = Blob::new(young).unwrap();
    let service = serving(&layer, move || Response::new(Body::from(blob.clone())));
    let request = Request::get("/")
        .header("range", "bytes=0-0")
        .header("if-range", httpdate::fmt_http_date(now));
    assert_eq!(
        service
            .oneshot(request.body(()).unwrap())
            .await
            .unwrap()
            .status(),
        200
    );
    let old = at(now - Duration::from_secs(3)).await;
    assert!(old.header("etag").starts_with('"'));
    // The placeholder times that tools write for reproducible archives.
    for placeholder in [
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1),
    ] {
        let answer = at(placeholder).await;
        assert_eq!(
            (answer.header("etag"), answer.header("last-modified")),
            ("", "")
        );
    }
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn without_a_time_only_the_star_matches() {
    let status = async |fields: &[(&str, &str)]| {
        let (layer, ledger) = layer();
        let file = file_of(CONTENT);
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let service = serving(&layer, move || {
            Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()))
        });
        let mut request = Request::new(());
        *request.headers_mut() = headers(fields);
        let answer = Answer::of(service.oneshot(request).await.unwrap()).await;
        assert_quiet(&ledger).await;
        answer.status.as_u16()
    };
    assert_eq!(status(&[("if-none-match", "*")]).await, 304);
    assert_eq!(status(&[("if-match", "*")]).await, 200);
    assert_eq!(status(&[("if-match", "\"a\"")]).await, 412);
    assert_eq!(status(&[("if-modified-since", LATER)]).await, 200);
    assert_eq!(status(&[("if-unmodified-since", EARLIER)]).await, 200);
    assert_eq!(
        status(&[("if-range", DATE), ("range", "bytes=0-0")]).await,
        200
    );
}

#[tokio::test]
async fn a_response_that_is_not_a_whole_blob_is_not_changed() {
    for given in [
        ("content-encoding", "gzip"),
        ("content-range", "bytes 0-9/20"),
    ] {
        let answer = ask(
            "GET",
            CONTENT,
            &[("range", "bytes=0-0"), ("if-none-match", "*")],
            &[given],
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (200, CONTENT),
            "{given:?}"
        );
        assert_eq!(answer.headers, headers(&[given]));
    }
    let answer = ask(
        "GET",
        CONTENT,
        &[("range", "bytes=0-0")],
        &[("accept-ranges", "none")],
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("accept-ranges")),
        (200, "none")
    );
    assert_eq!(
        ask("POST", CONTENT, &[("range", "bytes=0-0")], &[])
            .await
            .headers,
        headers(&[])
    );
}

/// A middleware answers with a body of its own and leaves the handle in the extensions.
#[tokio::test]
async fn another_body_is_not_mistaken_for_the_blob() {
    let (layer, ledger) = layer();
    let file = file_of(CONTENT);
    let service = serving(&layer, move || {
        let mut response = Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()));
        Body::publish_handle(&mut response, &euryale_core::Ledger::new());
        response.map(|_| Body::from("another body"))
    });
    let request = Request::get("/")
        .header("range", "bytes=0-0")
        .header("if-none-match", "*");
    let answer = Answer::of(service.oneshot(request.body(()).unwrap()).await.unwrap()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (200, &b"another body"[..])
    );
    assert_eq!(answer.headers, headers(&[]));
    assert_quiet(&ledger).await;
}

/// The handle of a response does not lead to a blob that is not sent.
#[tokio::test]
async fn a_blob_that_is_not_sent_is_closed() {
    for (field, value) in [
        ("if-none-match", "*"),
        ("if-match", "\"a\""),
        ("range", "bytes=10-"),
        ("range", "bytes=1-1"),
    ] {
        let (layer, ledger) = layer();
        let file = file_of(CONTENT);
        let kept = std::sync::Arc::new(std::sync::OnceLock::new());
        let service = serving(&layer, {
            let kept = kept.clone();
            let ledger = ledger.clone();
            move || {
                let mut response =
                    Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()));
                Body::publish_handle(&mut response, &ledger);
                let handle: &euryale_core::body::BlobHandle = response.extensions().get().unwrap();
                kept.set(handle.clone()).unwrap();
                response
            }
        });
        let request = Request::get("/").header(field, value).body(()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        assert!(kept.get().unwrap().blob().is_none(), "{field}");
        drop(response);
        assert_quiet(&ledger).await;
    }
}

/// RFC 9110 §8.8.2.1, for a date that the publisher sets and for the date of the file.
#[tokio::test]
async fn last_modified_is_never_later_than_now() {
    let future = SystemTime::now() + Duration::from_secs(1_000_000_000);
    let future = httpdate::fmt_http_date(future);
    let answer = ask("GET", CONTENT, &[], &[("last-modified", &future)]).await;
    let sent = httpdate::parse_http_date(answer.header("last-modified")).unwrap();
    assert!(
        sent <= SystemTime::now(),
        "{}",
        answer.header("last-modified")
    );
    let answer = ask("HEAD", CONTENT, &[], &[("last-modified", DATE)]).await;
    assert_eq!(
        answer.header("last-modified"),
        DATE,
        "the past is left alone"
    );
}
