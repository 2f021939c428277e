//! A theme in the chain of transforms.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale_core::request::{Internal, InternalRequest};
use euryale_core::{Body, Ledger, Response};
use euryale_test::assert_quiet;
use euryale_theme::{LiveTheme, Loader, ThemeParameters, ThemeTransform};
use euryale_transform::TransformChainLayer;
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

const RULES: &str = r##"<rules
    xmlns="http://namespaces.plone.org/diazo"
    xmlns:css="http://namespaces.plone.org/diazo/css">
  <theme href="theme.html"/>
  <notheme if-path="/raw"/>
  <replace css:theme-children="#main" css:content-children="body"/>
  <replace css:theme-children="#side" css:content="#box" href="/box" if="$role = 'editor'"/>
  <replace css:theme-children="#foot">
    <include content="concat('a', 'b')" if="false()"/>kept
  </replace>
</rules>"##;
const THEME: &str =
    "<html><head></head><body><div id=\"main\"></div><div id=\"side\">-</div></body></html>";
const PAGE: &str = "<html><body><p>Hello</p></body></html>";

fn html(body: &'static str) -> Response {
    http::Response::builder()
        .header("content-type", "text/html")
        .body(Body::from(body))
        .unwrap()
}

/// What a client gets, and how many sub-requests were made for it.
async fn ask(
    rules: &str,
    path: &str,
    page: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.xml"), rules).unwrap();
    std::fs::write(folder.path().join("theme.html"), THEME).unwrap();
    let live = LiveTheme::new(Loader::new(folder.path().join("rules.xml")));
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let inside = service_fn(move |request: Request<Body>| {
        assert_eq!(
            request
                .extensions()
                .get::<InternalRequest>()
                .unwrap()
                .depth(),
            1
        );
        assert_eq!(request.headers()["cookie"], "a=b");
        counter.fetch_add(1, Ordering::Relaxed);
        let box_ = "<body><div id=\"box\">Box</div></body>";
        ready(Ok::<_, Infallible>(if request.uri().path() == "/box" {
            html(box_)
        } else {
            html("")
        }))
    });
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(ThemeTransform::new(live));
    let service = chain.layer(service_fn(move |_: Request<Body>| {
        ready(Ok::<_, Infallible>(page()))
    }));
    let mut request = Request::get(path)
        .header("host", "site.example")
        .header("cookie", "a=b")
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(Internal::new(inside));
    let response = service.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_quiet(&ledger).await;
    (
        String::from_utf8(body.into()).unwrap(),
        asked.load(Ordering::Relaxed),
    )
}

fn rules() -> String {
    RULES
        .lines()
        .filter(|line| !line.contains("concat"))
        .collect()
}

#[tokio::test]
async fn a_page_is_themed_and_asks_for_no_document_that_it_does_not_need() {
    let (page, asked) = ask(&rules(), "/", || html(PAGE)).await;
    assert!(
        page.contains("<div id=\"main\"><p>Hello</p></div><div id=\"side\">-</div>"),
        "{page}"
    );
    assert_eq!(asked, 0);
}

#[tokio::test]
async fn content_comes_from_another_document_of_the_site() {
    let editor = || {
        let mut response = html(PAGE);
        response
            .extensions_mut()
            .insert(ThemeParameters::new().set("role", "editor"));
        response
    };
    let (page, asked) = ask(&rules(), "/", editor).await;
    assert!(
        page.contains("<div id=\"side\"><div id=\"box\">Box</div></div>"),
        "{page}"
    );
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_page_without_a_theme_is_sent_as_it_is() {
    assert_eq!(ask(&rules(), "/raw/x", || html(PAGE)).await.0, PAGE);
    let off = || {
        let mut response = html(PAGE);
        response
            .headers_mut()
            .insert("x-theme-disabled", "1".parse().unwrap());
        response
    };
    assert_eq!(ask(&rules(), "/", off).await.0, PAGE);
    assert_eq!(ask("<broken", "/", || html(PAGE)).await.0, PAGE);
    assert_eq!(
        ask(RULES, "/", || html(PAGE)).await.0,
        PAGE,
        "an include that selects no nodes is an error"
    );
    let deep: &'static str = "<b>".repeat(1000).leak();
    assert_eq!(ask(&rules(), "/", move || html(deep)).await.0, deep);
}
