use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use euryale_core::Body;
use http::Request;
use tower::service_fn;

use super::*;

/// A site in which `/a` redirects to the page `/b`, `/none` has no content, and `/panic` panics.
async fn site(request: Request<Body>) -> Result<Response, Infallible> {
    let mut response = Response::new(Body::from("<p>b</p>"));
    let headers = response.headers_mut();
    headers.insert("content-type", "text/html".parse().unwrap());
    match request.uri().path() {
        "/a" => {
            headers.insert("location", "b".parse().unwrap());
            headers.insert("cache-control", "private".parse().unwrap());
            *response.status_mut() = StatusCode::FOUND;
        }
        "/b" => {}
        "/none" => *response.status_mut() = StatusCode::NO_CONTENT,
        "/never" => pending().await,
        _ => panic!("no such page"),
    }
    Ok(response)
}

fn fetch() -> Fetch {
    let page = Request::get("/page").extension(Internal::new(service_fn(site)));
    let (page, ()) = page.body(()).unwrap().into_parts();
    Fetch::of(Arc::new(page), Route::new("part")).unwrap()
}

fn uri(path: &str) -> Uri {
    path.parse().unwrap()
}

#[test]
fn a_page_without_a_stack_fetches_nothing() {
    let (page, ()) = Request::new(()).into_parts();
    let fetch = Fetch::of(Arc::new(page), Route::new("part"));
    assert!(matches!(fetch.unwrap_err(), FetchError::NoStack));
}

#[tokio::test]
async fn redirects_are_followed_if_enabled_and_their_caching_rules_count() {
    let status = fetch().html(uri("/a"), 0).await.unwrap_err();
    assert!(matches!(
        status,
        FetchError::NoHtml(SubResponseError::Status(StatusCode::FOUND))
    ));
    let document = fetch().follow_redirects().html(uri("/a"), 0).await.unwrap();
    assert_eq!(document.html, "<p>b</p>");
    let mut head = http::HeaderMap::new();
    document.caching.apply(&mut head);
    assert_eq!(head["cache-control"], "private");
}

#[tokio::test]
async fn a_redirect_counts_as_one_level_of_nesting() {
    let fetch = fetch().follow_redirects().max_depth(2);
    fetch.html(uri("/a"), 0).await.unwrap();
    let too_deep = fetch.html(uri("/a"), 1).await.unwrap_err();
    assert_eq!(too_deep.to_string(), "documents ask for documents, 2 deep");
    assert!(fetch.check(&uri("/b"), 2).is_err());
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_requested() {
    let fetch = fetch().allow(Arc::new(|address| address.path() != "/panic"));
    let refused = fetch.html(uri("/panic"), 0).await.unwrap_err();
    assert!(matches!(refused, FetchError::NotAllowed));
}

#[tokio::test]
async fn no_content_is_an_empty_document_if_enabled() {
    assert!(fetch().html(uri("/none"), 0).await.is_err());
    let empty = fetch().no_content().html(uri("/none"), 0).await.unwrap();
    assert_eq!(empty.html, "");
}

#[test]
fn the_reason_of_a_failure_is_its_source() {
    let broken = FetchError::from(SubResponseError::Failed("reset".into()));
    let unanswered = FetchError::Unanswered {
        address: uri("/b"),
        error: Error::from(euryale_core::BoxError::from("reset")),
    };
    for error in [broken, unanswered] {
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "reset");
        assert!(!error.to_string().contains("reset"), "{error}: said twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_late_or_panics_is_missing_and_counted() {
    let parts = Parts::default();
    let until = Instant::now() + Duration::from_secs(5);
    for (path, counter) in [("/never", &parts.elapsed), ("/panic", &parts.failed)] {
        let missing = in_time(until, fetch().html(uri(path), 0)).await;
        missing.unwrap_err().counter(&parts).add(1);
        assert_eq!(counter.get(), 1, "{path}");
    }
}
