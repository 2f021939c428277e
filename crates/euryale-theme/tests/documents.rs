//! Documents that rules take content from, and that are not there as they should be. In a program
//! of its own: it reads the log.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::convert::Infallible;
use std::future::ready;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use euryale_core::error::{Class, Code};
use euryale_core::request::{Internal, InternalRequest, Route};
use euryale_core::{Body, Error, Ledger, Response};
use euryale_test::{Log, assert_quiet};
use euryale_theme::{DocumentBook, LiveTheme, Loader, ThemeTransform};
use euryale_transform::TransformChainLayer;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

const PAGE: &str = "<body><p id=box>of the page</p></body>";
const THEME: &str = "<body><div id=main></div><div id=side>-</div></body>";

fn theme(folder: &Path, href: &str) -> ThemeTransform {
    let side = format!(
        r##"<replace css:theme-children="#side" css:content-children="#box" href="{href}"/>"##
    );
    with(folder, &side)
}

fn with(folder: &Path, rules: &str) -> ThemeTransform {
    let rules = format!(
        r##"<rules xmlns="http://namespaces.plone.org/diazo"
                         xmlns:css="http://namespaces.plone.org/diazo/css">
          <theme href="theme.html"/>
          <replace css:theme-children="#main" css:content-children="body"/>{rules}
        </rules>"##
    );
    std::fs::write(folder.join("rules.xml"), rules).unwrap();
    std::fs::write(folder.join("theme.html"), THEME).unwrap();
    ThemeTransform::new(LiveTheme::new(Loader::new(folder.join("rules.xml"))))
}

fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn html(text: impl Into<Body>) -> Response {
    typed("text/html; charset=utf-8", text)
}

fn status(status: StatusCode) -> Response {
    let mut response = html("<p id=box>an error</p>");
    *response.status_mut() = status;
    response
}

/// The error of a stack that has no place for the sub-request.
const QUEUE_FULL: Code = Code::new(Class::Busy, "test.queue_full", "the queue is full");

type Answer = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// What is at each address; elsewhere the page.
fn answer(request: &Request<Body>) -> Answer {
    let path = request.uri().path().to_owned();
    Box::pin(async move {
        Ok(match &*path {
            "/error" => status(StatusCode::INTERNAL_SERVER_ERROR),
            "/missing" => status(StatusCode::NOT_FOUND),
            "/moved" => status(StatusCode::FOUND),
            "/full" => return Err(Error::new(QUEUE_FULL)),
            "/panic" => std::panic::resume_unwind(Box::new("as scripted")),
            "/never" => std::future::pending().await,
            "/stalls" => html(Body::deferred(std::future::pending::<
                Result<Response, Error>,
            >())),
            "/breaks-off" => html(Body::iter([
                Ok("<p id=box>half"),
                Err(std::io::Error::other("as scripted")),
            ])),
            "/json" => typed("application/json", "{}"),
            "/untyped" => Response::new(Body::from("<p id=box>x")),
            "/unknown" => typed("text/html; charset=x-nothing", "<p id=box>x"),
            "/coded" => {
                let mut response = html("<p id=box>x");
                response
                    .headers_mut()
                    .insert("content-encoding", HeaderValue::from_static("gzip"));
                response
            }
            "/bytes" => html(vec![b'<', 0xff]),
            "/large" => html("x".repeat((4 << 20) + 1)),
            "/good" | "/a/good" => html("<p id=box>good</p>"),
            _ => html(PAGE),
        })
    })
}

/// The themed page at `path`, whose rules take content from `href`, which requests were made for
/// it, and what was counted.
async fn themed(path: &str, href: &str) -> (String, Vec<Request<()>>, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(theme(folder.path(), href));
    let asked: Arc<Mutex<Vec<Request<()>>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let internal = Internal::new(service_fn(move |request: Request<Body>| {
        let (head, body) = request.into_parts();
        noted
            .lock()
            .unwrap()
            .push(Request::from_parts(head.clone(), ()));
        answer(&Request::from_parts(head, body))
    }));
    let service = chain.layer(service_fn(|_: Request<Body>| {
        ready(Ok::<_, Infallible>(html(PAGE)))
    }));
    let request = Request::get(path)
        .header("cookie", "a=b")
        .header("if-none-match", "\"x\"")
        .header("range", "bytes=0-1")
        .extension(internal)
        .extension(Route::new("page"))
        .extension("the program's")
        .body(Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_quiet(&ledger).await;
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    (String::from_utf8(body.to_vec()).unwrap(), asked, ledger)
}

fn with_side(side: &str) -> String {
    let main = "<p id=box>of the page</p>";
    format!(
        "<!DOCTYPE html>\n<html><head></head><body><div id=main>{main}</div><div id=side>{side}\
            </div></body></html>"
    )
}

#[tokio::test(start_paused = true)]
async fn all() {
    let log = Log::of_process();
    nothing_is_taken_from_what_is_not_there(&log).await;
    addresses_are_those_of_the_page().await;
    a_document_is_asked_for_by_the_client_of_the_page().await;
    documents_are_fetched_a_few_at_a_time().await;
    a_page_that_is_its_own_document_ends(&log).await;
}

async fn nothing_is_taken_from_what_is_not_there(log: &Log) {
    for (href, seconds, outcome, why) in [
        ("/error", 0, "status", "500 Internal Server Error"),
        ("/missing", 0, "status", "404 Not Found"),
        ("/moved", 0, "status", "302 Found"),
        ("/full", 0, "status", "queue"),
        ("/panic", 0, "failed", "panicked"),
        ("/never", 5, "elapsed", "not in time"),
        ("/stalls", 5, "elapsed", "not in time"),
        ("/breaks-off", 0, "failed", "as scripted"),
        ("/json", 0, "content", "not HTML"),
        ("/untyped", 0, "content", "not HTML"),
        ("/coded", 0, "content", "not HTML"),
        ("/unknown", 0, "content", "not HTML"),
        ("/bytes", 0, "content", "not text"),
        ("/large", 0, "limit", "too large"),
    ] {
        let before = log.lines().len();
        let began = Instant::now();
        let (page, _, ledger) = themed("/page", href).await;
        assert_eq!(page, with_side(""), "{href}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{href}");
        let said = log.lines().split_off(before);
        let said: Vec<_> = said
            .iter()
            .filter(|line| line.contains("nothing is used from"))
            .collect();
        assert!(
            said.len() == 1
                && ["WARN", why, "href"]
                    .iter()
                    .all(|part| said[0].contains(part)),
            "{href}: {said:?}"
        );
        let counted = format!("euryale_theme_documents_total{{outcome=\"{outcome}\"}} 1");
        assert!(ledger.exposition().contains(&counted), "{href}: {counted}");
    }
}

async fn documents_are_fetched_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let takes = |n| format!("<before css:theme=\"#side\" css:content=\"#box\" href=\"/{n}\"/>");
    let rules: String = (0..20).map(takes).collect();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(with(folder.path(), &rules));
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let most = Arc::clone(&peak);
    let internal = Internal::new(service_fn(move |request: Request<Body>| {
        let running = Arc::clone(&running);
        let noted = Arc::clone(&noted);
        let most = Arc::clone(&most);
        async move {
            noted.lock().unwrap().push(request.uri().path().to_owned());
            most.fetch_max(
                running.fetch_add(1, Ordering::Relaxed) + 1,
                Ordering::Relaxed,
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
            running.fetch_sub(1, Ordering::Relaxed);
            Ok::<_, Infallible>(html("<p id=box>good</p>"))
        }
    }));
    let service = chain.layer(service_fn(|_: Request<Body>| {
        ready(Ok::<_, Infallible>(html(PAGE)))
    }));
    let began = Instant::now();
    let request = Request::get("/")
        .extension(internal)
        .body(Body::empty())
        .unwrap();
    let body = service
        .oneshot(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(
        std::str::from_utf8(&body).unwrap().matches("good").count(),
        20
    );
    assert_eq!(peak.load(Ordering::Relaxed), 8);
    assert_eq!(
        *asked.lock().unwrap(),
        (0..20).map(|n| format!("/{n}")).collect::<Vec<_>>()
    );
    assert!(
        began.elapsed() < Duration::from_millis(350),
        "three rounds: {:?}",
        began.elapsed()
    );
    assert_eq!(ledger.of::<DocumentBook>().parts.ok.get(), 20);
    assert_quiet(&ledger).await;
}

async fn addresses_are_those_of_the_page() {
    for (path, href, address) in [
        ("/page", "/good", "/good"),
        ("/a/page", "good", "/a/good"),
        ("/a/b/page", "../good", "/a/good"),
        ("/a/page", "../../../good?x=1#y", "/good?x=1"),
        (
            "http://site:8080/a/page",
            "./good",
            "http://site:8080/a/good",
        ),
    ] {
        let (page, asked, _) = themed(path, href).await;
        assert_eq!(page, with_side("good"), "{path} {href}");
        assert_eq!(asked[0].uri(), address);
    }
}

async fn a_document_is_asked_for_by_the_client_of_the_page() {
    let (_, asked, _) = themed("/page", "/good").await;
    let [asked] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(InternalRequest::of(asked.extensions()).unwrap().depth(), 1);
    assert_eq!(asked.headers()["cookie"], "a=b");
    assert!(
        !asked.headers().contains_key("if-none-match") && !asked.headers().contains_key("range")
    );
    assert_eq!(asked.extensions().get::<Route>().unwrap().name(), "theme");
    assert_eq!(asked.extensions().get(), Some(&"the program's"));
}

async fn a_page_that_is_its_own_document_ends(log: &Log) {
    // Sub-requests enter inside the chain: it is the page without its theme.
    for href in ["/page", "", "?"] {
        let (page, asked, _) = themed("/page", href).await;
        assert_eq!((page, asked.len()), (with_side("of the page"), 1), "{href}");
    }
    // Somebody has put it together so that they enter outside: the page in the page in the page.
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new()
        .ledger(ledger.clone())
        .transform_page(theme(folder.path(), "/"));
    let entrance: Arc<OnceLock<Internal>> = Arc::default();
    let depths: Arc<Mutex<Vec<u32>>> = Arc::default();
    let noted = Arc::clone(&depths);
    let known = Arc::clone(&entrance);
    let service = chain.layer(service_fn(move |request: Request<Body>| {
        noted
            .lock()
            .unwrap()
            .extend(InternalRequest::of(request.extensions()).map(|mark| mark.depth()));
        ready(Ok::<_, Infallible>(html(PAGE)))
    }));
    let all = service
        .clone()
        .map_request(move |mut request: Request<Body>| {
            request
                .extensions_mut()
                .insert(known.get().unwrap().clone());
            request
        });
    assert!(entrance.set(Internal::new(all.clone())).is_ok());
    let began = Instant::now();
    let response = all.oneshot(Request::new(Body::empty())).await.unwrap();
    let page = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        page,
        with_side("of the page"),
        "each takes what it needs of the next"
    );
    assert_eq!(*depths.lock().unwrap(), (1..=10).collect::<Vec<_>>());
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(
        log.lines()
            .iter()
            .any(|line| line.contains("documents ask for documents, 10 deep"))
    );
    assert_quiet(&ledger).await;
}
