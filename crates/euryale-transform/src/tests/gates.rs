//! Tests of the responses that are transformed, and of their heads.

use euryale_core::Blob;
use http::{StatusCode, header};
use http_body::Body as _;

use super::*;
use crate::TransformBook;

fn chain() -> TransformChainLayer {
    TransformChainLayer::new()
        .rewrite(appends("rewrite", 1, "!"))
        .transform_page(ends_with("whole", 2, "<hr>"))
        .edit_head(signs("head", 3))
}

fn html(status: StatusCode, headers: &[(&'static str, &str)]) -> Response {
    let mut response = page("<p>hello</p>");
    *response.status_mut() = status;
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value).unwrap());
    }
    response
}

type Answer = Box<dyn Fn() -> Response + Send + Sync>;

#[tokio::test]
async fn only_whole_pages_enter_transforms_of_bodies() {
    let untouched: Vec<(&str, Answer)> = vec![
        ("205", Box::new(|| html(StatusCode::RESET_CONTENT, &[]))),
        ("204", Box::new(|| html(StatusCode::NO_CONTENT, &[]))),
        (
            "206",
            Box::new(|| {
                html(
                    StatusCode::PARTIAL_CONTENT,
                    &[("content-range", "bytes 0-11/20")],
                )
            }),
        ),
        ("304", Box::new(|| html(StatusCode::NOT_MODIFIED, &[]))),
        (
            "coded",
            Box::new(|| html(StatusCode::OK, &[("content-encoding", "gzip")])),
        ),
        (
            "a part",
            Box::new(|| html(StatusCode::OK, &[("content-range", "bytes 0-11/20")])),
        ),
        (
            "JSON",
            Box::new(|| html(StatusCode::OK, &[("content-type", "application/json")])),
        ),
        (
            "SVG",
            Box::new(|| html(StatusCode::OK, &[("content-type", "image/svg+xml")])),
        ),
        (
            "nothing said",
            Box::new(|| Response::new(Body::from("<p>hello</p>"))),
        ),
        (
            "UTF-16",
            Box::new(|| {
                html(
                    StatusCode::OK,
                    &[("content-type", "text/html; charset=utf-16")],
                )
            }),
        ),
        (
            "unknown",
            Box::new(|| {
                html(
                    StatusCode::OK,
                    &[("content-type", "text/html; charset=klingon")],
                )
            }),
        ),
        (
            "a file",
            Box::new(|| {
                let mut file = tempfile::tempfile().unwrap();
                std::io::Write::write_all(&mut file, b"<p>hello</p>").unwrap();
                with(Blob::new(file).unwrap(), &[("content-type", "text/html")])
            }),
        ),
    ];
    for (what, answer) in untouched {
        let ledger = Ledger::new();
        let answer = Arc::new(answer);
        let response = get(chain().ledger(ledger.clone()), move || {
            let mut response = answer();
            let headers = response.headers_mut();
            headers.insert("etag", HeaderValue::from_static("\"abc\""));
            headers.insert("accept-ranges", HeaderValue::from_static("bytes"));
            headers.insert("content-length", HeaderValue::from_static("12"));
            response
        })
        .await;
        assert_eq!(
            response.headers()["signed"],
            "head",
            "{what}: heads are edited all the same"
        );
        assert_eq!(response.headers()["etag"], "\"abc\"", "{what}");
        assert_eq!(response.headers()["accept-ranges"], "bytes", "{what}");
        assert_eq!(response.headers()["content-length"], "12", "{what}");
        assert_eq!(ledger.of::<TransformBook>().parsed.get(), 0, "{what}");
        assert_eq!(text(response).await, "<p>hello</p>", "{what}");
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn pages_of_any_status_and_method_are_transformed() {
    for status in [
        StatusCode::OK,
        StatusCode::NOT_FOUND,
        StatusCode::INTERNAL_SERVER_ERROR,
    ] {
        let response = get(chain(), move || html(status, &[])).await;
        assert_eq!(response.status(), status);
        assert_eq!(text(response).await, "<p>hello!</p><hr>");
    }
    let xhtml = [("content-type", "Application/XHTML+XML ; charset=\"UTF-8\"")];
    assert_eq!(
        text(get(chain(), move || html(StatusCode::OK, &xhtml)).await).await,
        "<p>hello!</p><hr>"
    );
    let service = around(chain(), |_| page("<p>hello</p>"));
    let post = http::Request::post("/").body(()).unwrap();
    assert_eq!(
        text(service.oneshot(post).await.unwrap()).await,
        "<p>hello!</p><hr>"
    );
}

/// Header fields that describe the publisher's own body.
const OLD: [(&str, &str); 9] = [
    ("content-length", "12"),
    ("etag", "\"abc\""),
    ("accept-ranges", "bytes"),
    ("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT"),
    ("content-md5", "x"),
    ("content-digest", "x"),
    ("repr-digest", "x"),
    ("digest", "x"),
    ("trailer", "digest"),
];

#[tokio::test]
async fn the_head_of_a_transformed_page_describes_the_new_page() {
    let rewrite = || TransformChainLayer::new().rewrite(appends("rewrite", 1, "!"));
    let whole = || TransformChainLayer::new().transform_page(ends_with("whole", 2, "<hr>"));
    for layer in [
        rewrite(),
        whole(),
        rewrite().transform_page(ends_with("whole", 2, "<hr>")),
    ] {
        let response = get(layer, || html(StatusCode::OK, &OLD)).await;
        let size = response.body().size_hint().exact().unwrap();
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/\"abc~"), "{tag}");
        for (name, _) in OLD.iter().filter(|(name, _)| *name != "etag") {
            assert!(!response.headers().contains_key(*name), "{name}");
        }
        assert_eq!(
            bytes(response).await.len() as u64,
            size,
            "a length that hyper sends"
        );
    }
    let untagged =
        TransformChainLayer::new().transform_page(ends_with("tiles", 1, "").version(None));
    let response = get(untagged, || html(StatusCode::OK, &OLD)).await;
    assert!(
        !response.headers().contains_key("etag"),
        "no text says when the tiles change"
    );
    let head = TransformChainLayer::new().edit_head(signs("head", 1));
    let response = get(head, || html(StatusCode::OK, &OLD)).await;
    for (name, value) in OLD {
        assert_eq!(response.headers()[name], value, "the body is the same");
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get_except_the_length() {
    let service = around(chain(), |request| {
        let response = html(StatusCode::OK, &OLD);
        if request.method() == Method::HEAD {
            response.map(Body::head_only)
        } else {
            response
        }
    });
    let ask = |method| http::Request::builder().method(method).body(()).unwrap();
    let get = service.clone().oneshot(ask(Method::GET)).await.unwrap();
    let head = service.oneshot(ask(Method::HEAD)).await.unwrap();
    assert_eq!(head.headers(), get.headers());
    assert_eq!(head.body().size_hint().exact(), None, "hyper would send it");
    assert!(!head.headers().contains_key(header::CONTENT_LENGTH));
    assert!(text(head).await.is_empty());
}
