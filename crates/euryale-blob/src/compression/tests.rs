use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale_core::{Body, Response};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, VARY};
use http::{Method, Request, StatusCode};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};

use crate::{accept_identity, may_compress, vary_by_coding};

/// Requests from clients that refuse an uncoded response, with the expected answers.
const FORBIDDING: [(&[&str], &str); 12] = [
    (&["identity;q=0"], ""),
    (&["identity;q=0.000"], ""),
    (&["IDENTITY ; Q=0."], ""),
    (&["*;q=0"], ""),
    (&["identity;q=0, *;q=0"], ""),
    (&["gzip;q=0, *;q=0"], ""),
    (&["compress, identity;q=0"], ""),
    (&["compress", "*;q=0"], ""),
    (&["identity;q=0, gzip"], "gzip"),
    (&["*;q=0, gzip;q=0.5"], "gzip"),
    (&["gzip;q=0.1", "identity;q=0"], "gzip"),
    (&["identity;q=0, *"], "gzip"),
];

fn asking(method: Method, lines: &[&str]) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    for line in lines {
        request
            .headers_mut()
            .append(ACCEPT_ENCODING, line.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn compression_never_refuses_a_completed_request() {
    let done = Arc::new(AtomicUsize::new(0));
    let app = service_fn(async |_: Request<()>| {
        done.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Response::new(Body::from("done ".repeat(100))))
    });
    // Other members of the workspace may enable more content codings.
    let compression = CompressionLayer::new().no_br().no_deflate().no_zstd();
    let compression = compression.compress_when(DefaultPredicate::new().and(may_compress));
    let service = ServiceBuilder::new()
        .map_request(accept_identity)
        .layer(compression)
        .service(app);
    for (lines, coding) in FORBIDDING {
        for method in [Method::GET, Method::POST] {
            let before = done.load(Ordering::SeqCst);
            let response = service.clone().oneshot(asking(method, lines)).await;
            let response = response.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{lines:?}");
            let applied = response.headers().get(CONTENT_ENCODING);
            let applied = applied.map_or("", |applied| applied.to_str().unwrap());
            assert_eq!(applied, coding, "{lines:?}");
            assert_eq!(done.load(Ordering::SeqCst), before + 1);
        }
    }
}

#[test]
fn a_request_that_accepts_identity_is_not_changed() {
    for lines in [
        &[][..],
        &["gzip, br;q=0"],
        &["identity;q=0.001"],
        &["*", "gzip;q=0"],
        &["\u{e9}, identity"],
    ] {
        let request = accept_identity(asking(Method::GET, lines));
        let left: Vec<_> = request.headers().get_all(ACCEPT_ENCODING).iter().collect();
        assert_eq!(left, lines);
    }
}

#[test]
fn a_304_has_the_vary_of_its_compressible_200() {
    let vary = |status: StatusCode, tag: Option<&str>, vary: &[&str]| {
        let mut response = http::Response::new(());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Some(tag) = tag {
            headers.insert(ETAG, tag.parse().unwrap());
        }
        for line in vary {
            headers.append(VARY, line.parse().unwrap());
        }
        let response = vary_by_coding(response);
        let lines = response.headers().get_all(VARY).iter();
        lines
            .map(|line| line.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(" | ")
    };
    let unmodified = StatusCode::NOT_MODIFIED;
    assert_eq!(vary(unmodified, Some("W/\"a\""), &[]), "accept-encoding");
    assert_eq!(
        vary(unmodified, None, &["cookie"]),
        "cookie | accept-encoding"
    );
    assert_eq!(
        vary(unmodified, None, &["cookie, Accept-Encoding"]),
        "cookie, Accept-Encoding"
    );
    assert_eq!(vary(unmodified, None, &["*"]), "*");
    assert_eq!(vary(unmodified, Some("\"a\""), &[]), "");
    assert_eq!(vary(StatusCode::OK, Some("W/\"a\""), &[]), "");
}
