//! Tests of conditional requests with the tag of a transformed page.

use euryale_core::Blob;
use http::StatusCode;
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

use super::*;

fn themed(version: Option<&'static str>) -> TransformChainLayer {
    TransformChainLayer::new()
        .transform_page(ends_with("theme", 1, "<hr>").version(version))
        .edit_head(signs("head", 2))
}

/// A service that evaluates conditions if `asks`.
fn tagged(asks: bool) -> impl Fn(&http::Request<()>) -> Response + Clone + Send + Sync + 'static {
    move |request| {
        let knows = request
            .headers()
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|tag| tag == "\"abc\"" || tag == "*");
        let mut response = if asks && knows {
            Response::new(Body::empty())
        } else {
            page("<p>")
        };
        if asks && knows {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
            .headers_mut()
            .insert(ETAG, HeaderValue::from_static("\"abc\""));
        response
    }
}

fn asking(method: Method, tag: &HeaderValue) -> http::Request<()> {
    http::Request::builder()
        .method(method)
        .header(IF_NONE_MATCH, tag)
        .body(())
        .unwrap()
}

#[tokio::test]
async fn the_tag_of_a_transformed_page_gives_304() {
    for asks in [false, true] {
        let service = around(themed(Some("1")), tagged(asks));
        let first = service
            .clone()
            .oneshot(http::Request::new(()))
            .await
            .unwrap();
        let tag = first.headers()[ETAG].clone();
        for method in [Method::GET, Method::HEAD] {
            let again = service.clone().oneshot(asking(method, &tag)).await.unwrap();
            assert_eq!(
                again.status(),
                StatusCode::NOT_MODIFIED,
                "asks inside: {asks}"
            );
            assert_eq!(again.headers()[ETAG], tag);
            assert_eq!(again.headers()["signed"], "head");
            assert!(!again.headers().contains_key("content-type"));
            assert!(text(again).await.is_empty());
        }
        let list = HeaderValue::try_from(format!("\"x\", {}", tag.to_str().unwrap())).unwrap();
        let again = service
            .clone()
            .oneshot(asking(Method::GET, &list))
            .await
            .unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let post = service.oneshot(asking(Method::POST, &tag)).await.unwrap();
        assert_eq!(
            post.status(),
            StatusCode::OK,
            "the condition is not about what POST answers"
        );
    }
}

#[tokio::test]
async fn the_tag_of_another_theme_does_not() {
    for asks in [false, true] {
        let old = around(themed(Some("1")), tagged(asks));
        let tag = old.oneshot(http::Request::new(())).await.unwrap().headers()[ETAG].clone();
        for other in [themed(Some("2")), themed(None)] {
            let response = around(other, tagged(asks))
                .oneshot(asking(Method::GET, &tag))
                .await
                .unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_ne!(response.headers().get(ETAG), Some(&tag));
            assert_eq!(text(response).await, "<p><hr>");
        }
    }
}

#[tokio::test]
async fn a_tag_from_before_the_transforms_gives_no_304() {
    let bare = around(TransformChainLayer::new(), tagged(true));
    let tag = bare
        .oneshot(http::Request::new(()))
        .await
        .unwrap()
        .headers()[ETAG]
        .clone();
    for (version, has_tag) in [(Some("1"), true), (None, false)] {
        let response = around(themed(version), tagged(true))
            .oneshot(asking(Method::GET, &tag))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().contains_key(ETAG), has_tag);
        assert_eq!(text(response).await, "<p><hr>");
    }
}

#[tokio::test]
async fn a_date_from_before_the_transforms_gives_no_304() {
    const TIME: &str = "Sat, 21 Nov 2026 12:00:00 GMT";
    let dated = |request: &http::Request<()>| {
        let mut response = page("<p>");
        if request.headers().contains_key(IF_MODIFIED_SINCE) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(LAST_MODIFIED, HeaderValue::from_static(TIME));
        response
    };
    let request = http::Request::get("/").header(IF_MODIFIED_SINCE, TIME);
    let response = around(themed(Some("1")), dated)
        .oneshot(request.body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(text(response).await, "<p><hr>");
}

#[tokio::test]
async fn any_tag_gives_a_304_with_the_tag_of_the_200() {
    for asks in [false, true] {
        let service = around(themed(Some("1")), tagged(asks));
        let get = http::Request::new(());
        let tag = service.clone().oneshot(get).await.unwrap().headers()[ETAG].clone();
        let any = asking(Method::GET, &HeaderValue::from_static("*"));
        let response = service.oneshot(any).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(response.headers()[ETAG], tag);
    }
}

/// An untransformed response, such as a file or JSON, keeps its own validators.
#[tokio::test]
async fn an_untransformed_response_has_its_own_conditions() {
    const TIME: &str = "Sat, 21 Nov 2026 12:00:00 GMT";
    const LATER: &str = "Sat, 21 Nov 2026 12:00:01 GMT";
    const EARLIER: &str = "Sat, 21 Nov 2026 11:59:59 GMT";
    let json = |request: &http::Request<()>| {
        let mut response = with(
            "{}",
            &[
                ("content-type", "application/json"),
                ("cache-control", "max-age=60"),
                ("content-digest", "sha-256=:AAAA:"),
                ("content-length", "2"),
                ("last-modified", TIME),
                ("vary", "cookie"),
            ],
        );
        let headers = response.headers_mut();
        match request.uri().path() {
            "/tag" => drop(headers.insert(ETAG, HeaderValue::from_static("\"abc\""))),
            "/left" => {
                headers.insert(ETAG, HeaderValue::from_static("\"abc\""));
                headers.insert("x-accel-redirect", HeaderValue::from_static("/files/1"));
            }
            _ => {}
        }
        if request.headers().contains_key("range") {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        response
    };
    let service = around(themed(Some("1")), json);
    let ask = async |path: &str, fields: &[(&str, &str)]| {
        let mut request = http::Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        service.clone().oneshot(request).await.unwrap()
    };
    let same = ("if-none-match", "W/\"abc\"");
    let other = ("if-none-match", "\"abc~1\"");
    for (path, fields, status) in [
        ("/tag", &[same][..], 304),
        ("/tag", &[same, ("range", "bytes=0-0")], 304),
        ("/tag", &[other], 200),
        // The response has no date of its own, or the tag is a different one.
        ("/tag", &[other, ("if-modified-since", LATER)], 200),
        ("/tag", &[("if-modified-since", TIME)], 304),
        ("/left", &[same], 200),
        ("/", &[same], 200),
        ("/", &[("if-modified-since", TIME)], 304),
        ("/", &[("if-modified-since", LATER)], 304),
        ("/", &[("if-modified-since", EARLIER)], 200),
        ("/", &[("if-modified-since", "yesterday")], 200),
    ] {
        let response = ask(path, fields).await;
        assert_eq!(response.status(), status, "{path} {fields:?}");
        let headers = response.headers();
        assert_eq!(headers["cache-control"], "max-age=60");
        assert_eq!(headers["vary"], "cookie");
        assert_eq!(headers["signed"], "head");
        assert_eq!(headers.contains_key("content-digest"), status == 200);
        assert_eq!(headers.contains_key("content-length"), status == 200);
        let keeps_date = status == 200 || path == "/";
        assert_eq!(headers.contains_key(LAST_MODIFIED), keeps_date, "{path}");
        let sent = if status == 200 { "{}" } else { "" };
        assert_eq!(text(response).await, sent);
    }
}

#[tokio::test]
async fn a_chain_of_heads_leaves_conditions_to_the_inner_service() {
    let service = around(
        TransformChainLayer::new().edit_head(signs("head", 1)),
        tagged(true),
    );
    let response = service
        .oneshot(asking(Method::GET, &HeaderValue::from_static("\"abc\"")))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(response.headers()[ETAG], "\"abc\"");
}

#[tokio::test]
async fn a_304_leaves_no_file_open() {
    let ledger = Ledger::new();
    let file = |_: &http::Request<()>| {
        let file = tempfile::tempfile().unwrap();
        let mut response = with(Blob::new(file).unwrap(), &[]);
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::from_static("\"abc\""));
        response
    };
    let service = around(themed(Some("1")).ledger(ledger.clone()), file);
    let tag = HeaderValue::from_static("\"abc\"");
    let response = service.oneshot(asking(Method::GET, &tag)).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_quiet(&ledger).await;
    assert!(text(response).await.is_empty());
}

#[tokio::test]
async fn without_a_tag_there_is_no_304() {
    let service = around(themed(Some("1")), |_| page("<p>"));
    let request = http::Request::builder()
        .header(IF_NONE_MATCH, "*")
        .header(IF_MODIFIED_SINCE, "Sat, 21 Nov 2026 12:00:00 GMT")
        .body(())
        .unwrap();
    assert_eq!(
        service.oneshot(request).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_page_on_which_a_transform_failed_has_no_tag() {
    let whole = || {
        named("fails", 2, |_, _| {
            Box::pin(async { Err("as scripted".into()) }) as Made
        })
    };
    let rewrite = || {
        named("fails", 2, |_: &Page, handlers: &mut Handlers| {
            handlers.element(&selector("p"), |_| Err("as scripted".into()));
            Ok(())
        })
    };
    let begin = || {
        named("fails", 2, |_: &Page, _: &mut Handlers| {
            Err("as scripted".into())
        })
    };
    let layer = TransformChainLayer::new;
    for layer in [
        layer().transform_page(whole()),
        layer().rewrite(rewrite()),
        layer().rewrite(begin()),
        themed(Some("1")).transform_page(whole()),
        themed(Some("1")).rewrite(rewrite()),
        themed(Some("1"))
            .transform_page(ends_with("late", 3, ""))
            .rewrite(begin()),
    ] {
        let response = around(layer, tagged(false))
            .oneshot(http::Request::new(()))
            .await
            .unwrap();
        assert_eq!(
            response.headers().get(ETAG),
            None,
            "or it would stay without it when it works again"
        );
    }
}

#[tokio::test]
async fn a_rewrite_without_changes_gives_the_same_tag_to_all_methods() {
    let nothing = || named("nothing", 1, |_: &Page, _: &mut Handlers| Ok(()));
    for layer in [
        TransformChainLayer::new().rewrite(nothing()),
        TransformChainLayer::new()
            .rewrite(nothing())
            .rewrite(appends("other", 2, "!")),
        themed(Some("1")).rewrite(nothing()),
    ] {
        for asks in [false, true] {
            let service = around(layer.clone(), tagged(asks));
            let get = service
                .clone()
                .oneshot(http::Request::new(()))
                .await
                .unwrap();
            let head = http::Request::head("/").body(()).unwrap();
            let head = service.clone().oneshot(head).await.unwrap();
            assert_eq!(head.headers(), get.headers());
            let again = service
                .oneshot(asking(Method::GET, &get.headers()[ETAG]))
                .await
                .unwrap();
            assert_eq!(
                (again.status(), &again.headers()[ETAG]),
                (StatusCode::NOT_MODIFIED, &get.headers()[ETAG])
            );
        }
    }
}

#[tokio::test]
async fn a_page_that_was_made_while_a_transform_changed_has_no_tag() {
    struct Changing(Arc<Mutex<&'static str>>);
    impl Transform for Changing {
        fn name(&self) -> &str {
            "changing"
        }

        fn order(&self) -> i32 {
            1
        }

        fn version(&self) -> Option<Cow<'_, str>> {
            Some((*self.0.lock().unwrap()).into())
        }
    }
    impl TransformPage for Changing {
        async fn transform(
            &self,
            page: &Page,
            response: http::Response<String>,
        ) -> Result<http::Response<String>, BoxError> {
            let made = response.map(|text| text + *self.0.lock().unwrap());
            if page.request().uri.path() == "/meanwhile" {
                *self.0.lock().unwrap() = "2";
            }
            Ok(made)
        }
    }
    let version = Arc::new(Mutex::new("1"));
    let service = around(
        TransformChainLayer::new().transform_page(Changing(Arc::clone(&version))),
        tagged(false),
    );
    let ask = async |path: &str| {
        let request = http::Request::get(path).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        (response.headers().contains_key(ETAG), text(response).await)
    };
    assert_eq!(ask("/").await, (true, "<p>1".to_owned()));
    assert_eq!(
        ask("/meanwhile").await,
        (false, "<p>1".to_owned()),
        "that of 2 would be wrong forever"
    );
    assert_eq!(ask("/").await, (true, "<p>2".to_owned()));
}

#[test]
fn tags_are_split_and_joined() {
    use crate::tag::{Suffix, inward, is_known, outward};
    let suffix = Suffix::new(5, ["theme", "1"]);
    for (inner, opaque) in [
        ("\"a\"", "a"),
        ("W/\"a\"", "a"),
        ("\"\"", ""),
        ("\"a~1.2\"", "a~1.2"),
    ] {
        let outer = suffix.outer(&inner.parse().unwrap()).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert(IF_NONE_MATCH, outer.clone());
        assert!(is_known(&headers, &outer));
        let known = inward(&mut headers, |other| *other == suffix);
        let all: Vec<_> = headers.get_all(IF_NONE_MATCH).iter().cloned().collect();
        assert_eq!(all, [format!("\"{opaque}\"")]);
        let mut answer = http::HeaderMap::new();
        answer.insert(ETAG, inner.parse().unwrap());
        outward(&mut answer, &known);
        assert_eq!(answer[ETAG], outer);
    }
    for bad in [
        "abc",
        "",
        "\"",
        "\"a~1\"",
        "\"a~x.y\"",
        "\"~.\"",
        "\"a~1.11111111111111111\"",
    ] {
        let mut headers = http::HeaderMap::new();
        headers.insert(IF_NONE_MATCH, bad.parse().unwrap());
        assert!(inward(&mut headers, |_| true).is_empty(), "{bad}");
    }
    assert_ne!(Suffix::new(1, ["ab", "c"]), Suffix::new(1, ["a", "bc"]));
}
