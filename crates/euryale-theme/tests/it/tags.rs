//! The tags of themed pages, there and back.

use std::convert::Infallible;
use std::future::ready;
use std::path::Path;
use std::time::{Duration, SystemTime};

use euryale_core::{Body, Ledger, Response};
use euryale_test::assert_quiet;
use euryale_theme::{LiveTheme, Loader, ThemeTransform};
use euryale_transform::TransformChainLayer;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

const RULES: &str = r##"<rules xmlns="http://namespaces.plone.org/diazo"
  xmlns:css="http://namespaces.plone.org/diazo/css">
  <theme href="theme.html"/>
  <replace css:theme-children="#main" css:content-children="body"/>
</rules>"##;
const ONE: &str = "<body><h1>one</h1><div id=main></div></body>";
const TWO: &str = "<body><h1>two</h1><div id=main></div></body>";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "rules.xml", RULES);
    write(folder.path(), "theme.html", ONE);
    folder
}

/// Each file is as old as nothing else is: file systems may be coarse.
fn write(folder: &Path, name: &str, text: &str) {
    static AGE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let age = AGE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::fs::write(folder.join(name), text).unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(folder.join(name))
        .unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age))
        .unwrap();
}

fn loader(folder: &Path) -> Loader {
    Loader::new(folder.join("rules.xml")).prefix("/theme")
}

type Site = BoxCloneSyncService<Request<()>, Response, Infallible>;

/// A page with a tag; `asks`: clients that have it get 304.
fn site(theme: ThemeTransform, asks: bool, ledger: &Ledger) -> Site {
    let page = service_fn(move |request: Request<()>| {
        let has = request
            .headers()
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|tag| tag == "\"page\"");
        let mut response = Response::new(Body::from("<body><p>Hello</p></body>"));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        if asks && has {
            response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
            .headers_mut()
            .insert(ETAG, HeaderValue::from_static("\"page\""));
        ready(Ok::<_, Infallible>(response))
    });
    let chain = TransformChainLayer::new()
        .transform_page(theme)
        .ledger(ledger.clone());
    BoxCloneSyncService::new(chain.layer(page))
}

async fn get(site: &Site, known: Option<&str>) -> (StatusCode, String, String) {
    let mut request = Request::new(());
    if let Some(known) = known {
        request
            .headers_mut()
            .insert(IF_NONE_MATCH, known.parse().unwrap());
    }
    let (head, body) = site.clone().oneshot(request).await.unwrap().into_parts();
    let tag = head
        .headers
        .get(ETAG)
        .map_or("", |tag| tag.to_str().unwrap())
        .to_owned();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (head.status, tag, text)
}

#[tokio::test]
async fn a_themed_page_is_revalidated_until_its_theme_changes() {
    for asks in [false, true] {
        let folder = folder();
        let ledger = Ledger::new();
        let live = LiveTheme::new(loader(folder.path()));
        let site = site(ThemeTransform::new(live.clone()).keep_tags(), asks, &ledger);
        let (status, one, text) = get(&site, None).await;
        assert!(status == 200 && text.contains("<h1>one</h1>"), "{text}");
        assert_eq!(
            get(&site, Some(&one)).await,
            (StatusCode::NOT_MODIFIED, one.clone(), String::new())
        );
        let request = Request::builder().method(Method::HEAD).body(()).unwrap();
        assert_eq!(
            site.clone().oneshot(request).await.unwrap().headers()[ETAG],
            one
        );

        write(folder.path(), "theme.html", TWO);
        assert!(live.reload());
        let (status, two, text) = get(&site, Some(&one)).await;
        assert!(
            status == 200 && text.contains("<h1>two</h1>") && two != one,
            "{two} {text}"
        );

        write(
            folder.path(),
            "theme.html",
            "\u{0}<b>".repeat(1000).as_str(),
        );
        assert!(live.reload() && live.theme().is_none(), "a broken theme");
        let (status, page, text) = get(&site, Some(&two)).await;
        assert_eq!(
            (status.as_u16(), &*page, &*text),
            (200, "\"page\"", "<body><p>Hello</p></body>")
        );

        write(folder.path(), "theme.html", ONE);
        assert!(live.reload());
        assert_eq!(
            get(&site, Some(&page)).await.0,
            200,
            "the tag of a page without a theme"
        );
        assert_eq!(
            get(&site, Some(&one)).await.0,
            304,
            "it is the theme that it was"
        );
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn a_themed_page_has_no_tag_by_default() {
    let folder = folder();
    let ledger = Ledger::new();
    let theme = ThemeTransform::new(LiveTheme::new(loader(folder.path())));
    let (status, tag, _) = get(&site(theme, true, &ledger), None).await;
    assert_eq!((status.as_u16(), &*tag), (200, ""));
}

#[test]
fn a_theme_has_its_version_from_what_it_is_made_of() {
    let one = folder();
    let other = folder();
    let version = |loader: &Loader| loader.load().unwrap().version().to_owned();
    let known = version(&loader(one.path()));
    assert_eq!(
        version(&loader(other.path())),
        known,
        "in another folder, at another time"
    );
    assert_ne!(version(&loader(other.path()).prefix("/elsewhere")), known);
    for (name, text) in [("theme.html", ONE), ("rules.xml", RULES)] {
        write(other.path(), name, &format!("{text}\n"));
        assert_ne!(version(&loader(other.path())), known, "{name}");
        write(other.path(), name, text);
        assert_eq!(version(&loader(other.path())), known, "{name}");
    }
}
