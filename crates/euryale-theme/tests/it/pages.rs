//! Pages that choose their themes.

use std::convert::Infallible;
use std::future::ready;
use std::time::{Duration, SystemTime};

use euryale_core::{Body, Ledger, Response};
use euryale_test::{assert_quiet, eventually};
use euryale_theme::{Loader, PageTheme, ThemeSet, ThemeTransform};
use euryale_transform::TransformChainLayer;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

fn loader(name: &str) -> Loader {
    let rules = "<rules xmlns=\"http://namespaces.plone.org/diazo\"><theme href=\"a.html\"/>\
                 <replace theme-children=\"//main\" content-children=\"//body\"/></rules>";
    let html = format!("<body><h1>{name}</h1><main></main></body>");
    Loader::new("/a/rules.xml")
        .text("/a/rules.xml", rules)
        .text("/a/a.html", html)
}

/// The text and the tag of a page with this theme.
async fn themed(themes: &ThemeSet, theme: Option<PageTheme>) -> (String, Option<HeaderValue>) {
    let ledger = Ledger::new();
    let transform = ThemeTransform::of_pages(themes.clone()).keep_tags();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(transform);
    let page = service_fn(move |_: Request<()>| {
        let mut response = Response::new(Body::from("<body><p>Hello</p></body>"));
        let html = HeaderValue::from_static("text/html");
        response.headers_mut().insert(CONTENT_TYPE, html);
        let tag = HeaderValue::from_static("\"page\"");
        response.headers_mut().insert(ETAG, tag);
        if let Some(theme) = theme.clone() {
            response.extensions_mut().insert(theme);
        }
        ready(Ok::<_, Infallible>(response))
    });
    let answer = chain.layer(page).oneshot(Request::new(())).await.unwrap();
    let tag = answer.headers().get(ETAG).cloned();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_quiet(&ledger).await;
    (String::from_utf8(body.to_vec()).unwrap(), tag)
}

#[tokio::test]
async fn each_page_has_the_theme_that_it_chooses() {
    let themes = ThemeSet::new(8);
    for name in ["one", "two"] {
        let theme = themes.load(name, loader(name));
        let (page, tag) = themed(&themes, Some(PageTheme::new(theme))).await;
        assert!(
            page.contains(&format!("<h1>{name}</h1><main><p>Hello</p></main>")),
            "{page}"
        );
        assert_ne!(tag.unwrap(), "\"page\"");
    }
    let (page, tag) = themed(&themes, None).await;
    assert_eq!(page, "<body><p>Hello</p></body>");
    assert_eq!(tag.unwrap(), "\"page\"");
}

#[tokio::test]
async fn a_page_whose_theme_has_errors_is_sent_as_it_is() {
    let themes = ThemeSet::new(8);
    let theme = themes.load("broken", Loader::new("/a.xml").text("/a.xml", "<rules"));
    let (page, tag) = themed(&themes, Some(PageTheme::new(theme))).await;
    assert_eq!(page, "<body><p>Hello</p></body>");
    assert_eq!(tag.unwrap(), "\"page\"");
}

#[tokio::test]
async fn a_tag_changes_with_the_themes() {
    let tag_of = async |names: &[&str]| {
        let themes = ThemeSet::new(8);
        let all: Vec<_> = names
            .iter()
            .map(|name| themes.load(name, loader(name)))
            .collect();
        themed(&themes, Some(PageTheme::new(all[0].clone())))
            .await
            .1
            .unwrap()
    };
    assert_eq!(tag_of(&["one"]).await, tag_of(&["one"]).await);
    assert_ne!(tag_of(&["one"]).await, tag_of(&["two"]).await);
    assert_eq!(tag_of(&["one", "two"]).await, tag_of(&["two", "one"]).await);
}

#[test]
fn the_least_recently_used_theme_makes_room() {
    let themes = ThemeSet::new(2);
    for name in ["one", "two"] {
        themes.load(name, loader(name));
    }
    assert!(themes.find("one").is_some());
    themes.load("three", loader("three"));
    let kept = ["one", "two", "three"].map(|name| themes.find(name).is_some());
    assert_eq!(kept, [true, false, true]);
}

#[test]
fn a_known_theme_is_not_compiled_again() {
    let themes = ThemeSet::new(2);
    let first = themes.load("one", loader("one")).theme().unwrap();
    let again = themes.load("one", loader("two")).theme().unwrap();
    assert_eq!(first.version(), again.version());
}

#[tokio::test]
async fn a_watched_set_follows_the_files_of_its_themes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.xml");
    let rules = "<rules xmlns=\"http://namespaces.plone.org/diazo\"/>";
    std::fs::write(&file, "<rules").unwrap();
    let themes = ThemeSet::new(2).watch(Duration::from_millis(5)).unwrap();
    let theme = themes.load("one", Loader::new(&file));
    assert!(theme.theme().is_none());
    std::fs::write(&file, rules).unwrap();
    let changed = std::fs::File::options().write(true).open(&file).unwrap();
    let later = SystemTime::now() + Duration::from_secs(2);
    changed.set_modified(later).unwrap();
    eventually("the theme is compiled again", || theme.theme().is_some()).await;
}
