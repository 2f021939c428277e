mod charsets;
mod closures;
mod conditions;
mod failures;
mod gates;
mod off;
mod streams;

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use euryale_core::threads::BlockingLane;
use euryale_core::{Body, BoxError, Ledger, Response};
use euryale_test::assert_quiet;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, response};
use http_body_util::BodyExt;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::html_content::ContentType;
use crate::{
    EditHead, Handlers, Page, Rewrite, Selector, Transform, TransformBook, TransformChainLayer,
    TransformPage, head_fn, rewrite_fn,
};

/// A transform made from a closure.
pub(crate) struct Named<F> {
    name: &'static str,
    order: i32,
    critical: bool,
    version: Option<&'static str>,
    work: F,
}

pub(crate) fn named<F>(name: &'static str, order: i32, work: F) -> Named<F> {
    Named {
        name,
        order,
        critical: false,
        version: Some("1"),
        work,
    }
}

impl<F> Named<F> {
    fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    fn version(mut self, version: Option<&'static str>) -> Self {
        self.version = version;
        self
    }
}

impl<F: Send + Sync + 'static> Transform for Named<F> {
    fn name(&self) -> &str {
        self.name
    }

    fn order(&self) -> i32 {
        self.order
    }

    fn is_critical(&self) -> bool {
        self.critical
    }

    fn version(&self) -> Option<Cow<'_, str>> {
        self.version.map(Cow::Borrowed)
    }
}

impl<F> Rewrite for Named<F>
where
    F: Fn(&Page, &mut Handlers) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn rewrite(&self, page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        (self.work)(page, handlers)
    }
}

impl<F> EditHead for Named<F>
where
    F: Fn(&mut response::Parts) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn edit_head(&self, _page: &Page, response: &mut response::Parts) -> Result<(), BoxError> {
        (self.work)(response)
    }
}

type Made = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

impl<F> TransformPage for Named<F>
where
    F: Fn(BlockingLane, String) -> Made + Send + Sync + 'static,
{
    async fn transform(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        let (head, text) = response.into_parts();
        Ok(http::Response::from_parts(
            head,
            (self.work)(page.cpu().clone(), text).await?,
        ))
    }
}

pub(crate) fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

/// A rewrite that appends `text` to each `p`.
fn appends(name: &'static str, order: i32, text: &'static str) -> impl Rewrite {
    let append = rewrite_fn(name, order, selector("p"), move |p| {
        p.append(text, ContentType::Text);
        Ok(())
    });
    append.version("1")
}

/// A transform that appends `text` to the page.
fn ends_with(
    name: &'static str,
    order: i32,
    text: &'static str,
) -> Named<impl Fn(BlockingLane, String) -> Made> {
    named(name, order, move |_, page: String| {
        Box::pin(async move { Ok(page + text) }) as Made
    })
}

/// Adds a header with its own name.
fn signs(name: &'static str, order: i32) -> impl EditHead {
    head_fn(name, order, move |_, head| {
        head.headers
            .append("signed", HeaderValue::from_static(name));
        Ok(())
    })
}

pub(crate) fn page(body: impl Into<Body>) -> Response {
    with(body, &[("content-type", "text/html; charset=utf-8")])
}

pub(crate) fn with(body: impl Into<Body>, headers: &[(&'static str, &str)]) -> Response {
    let mut response = Response::new(body.into());
    for (name, value) in headers {
        response.headers_mut().append(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    response
}

type Chained = BoxCloneSyncService<http::Request<()>, Response, Infallible>;

/// The layer around a service that answers with `answer`.
pub(crate) fn around<F>(layer: TransformChainLayer, answer: F) -> Chained
where
    F: Fn(&http::Request<()>) -> Response + Clone + Send + Sync + 'static,
{
    let service = service_fn(move |request: http::Request<()>| {
        let response = answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(service))
}

async fn get<F>(layer: TransformChainLayer, answer: F) -> Response
where
    F: Fn() -> Response + Clone + Send + Sync + 'static,
{
    around(layer, move |_| answer())
        .oneshot(http::Request::new(()))
        .await
        .unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    String::from_utf8_lossy(&bytes(response).await).into_owned()
}

async fn bytes(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_page_goes_through_transforms_of_all_kinds() {
    let ledger = Ledger::new();
    let shout = named("shout", 1, |cpu: BlockingLane, text: String| {
        Box::pin(async move { Ok(cpu.run(move || text.replace("hello", "HELLO")).await?) }) as Made
    });
    let layer = TransformChainLayer::new()
        .rewrite(appends("exclaim", 2, "!"))
        .edit_head(signs("signature", 3))
        .transform_page(shout)
        .ledger(ledger.clone());
    let response = get(layer, || page("<p>hello</p>")).await;
    assert_eq!(response.headers()["signed"], "signature");
    assert_eq!(text(response).await, "<p>HELLO!</p>");
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn transforms_run_by_number_and_ties_by_name() {
    let all = [("a", 2), ("b", 2), ("c", 1), ("d", 3)];
    for turn in 0..all.len() {
        for back in [false, true] {
            let mut order = all;
            order.rotate_left(turn);
            if back {
                order.reverse();
            }
            let layer = order
                .iter()
                .fold(TransformChainLayer::new(), |layer, &(name, order)| {
                    layer
                        .transform_page(ends_with(name, order, name))
                        .edit_head(signs(name, order))
                });
            let response = get(layer, || page("<p>")).await;
            let signed: Vec<_> = response
                .headers()
                .get_all("signed")
                .iter()
                .cloned()
                .collect();
            assert_eq!(signed, ["c", "a", "b", "d"]);
            assert_eq!(text(response).await, "<p>cabd");
        }
    }
}

#[tokio::test]
async fn the_handler_of_the_earlier_transform_runs_first() {
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let sees = |name, order| {
        let seen = Arc::clone(&seen);
        named(name, order, move |_: &Page, handlers: &mut Handlers| {
            let seen = Arc::clone(&seen);
            handlers.element(&selector("p"), move |_| {
                seen.lock().unwrap().push(name);
                Ok(())
            });
            Ok(())
        })
    };
    let layer = TransformChainLayer::new()
        .rewrite(sees("late", 2))
        .rewrite(sees("early", 1));
    assert_eq!(
        text(get(layer, || page("<p>x</p>")).await).await,
        "<p>x</p>"
    );
    assert_eq!(*seen.lock().unwrap(), ["early", "late"]);
}

#[tokio::test]
async fn consecutive_rewrites_share_one_parse() {
    let ledger = Ledger::new();
    let layer = || TransformChainLayer::new().ledger(ledger.clone());
    let four = layer()
        .rewrite(appends("a", 1, "a"))
        .rewrite(appends("b", 2, "b"))
        .edit_head(signs("between", 2))
        .rewrite(appends("c", 3, "c"))
        .rewrite(appends("d", 4, "d"));
    assert_eq!(
        text(get(four, || page("<p></p><p></p>")).await).await,
        "<p>abcd</p><p>abcd</p>"
    );
    assert_eq!(ledger.of::<TransformBook>().parsed.get(), 1);
    let two = layer()
        .rewrite(appends("a", 1, "a"))
        .transform_page(ends_with("whole", 2, "<p></p>"))
        .rewrite(appends("b", 3, "b"));
    assert_eq!(
        text(get(two, || page("<p></p>")).await).await,
        "<p>ab</p><p>b</p>"
    );
    assert_eq!(ledger.of::<TransformBook>().parsed.get(), 3);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn all_kinds_of_handlers_are_called() {
    let all = named("all", 1, |page: &Page, handlers: &mut Handlers| {
        let path = page.request().uri.path().to_owned();
        handlers
            .doctype(|doctype| {
                doctype.remove();
                Ok(())
            })
            .element(&selector("p"), move |p| {
                p.set_attribute("path", &path)?;
                p.on_end_tag(|end| {
                    end.after("|", ContentType::Text);
                    Ok(())
                });
                Ok(())
            })
            .text(&selector("p"), |text| {
                let upper = text.as_str().to_uppercase();
                text.replace(&upper, ContentType::Html);
                Ok(())
            })
            .comments(&selector("p"), |comment| {
                comment.remove();
                Ok(())
            })
            .end(|end| {
                end.append("end", ContentType::Text);
                Ok(())
            });
        Ok(())
    });
    let answer = || page("<!doctype html><p>a<!-- b --></p>");
    let response = get(TransformChainLayer::new().rewrite(all), answer).await;
    assert_eq!(text(response).await, "<p path=\"/\">A</p>|end");
}

#[tokio::test]
async fn a_transform_sees_the_request_and_may_decline() {
    struct Only;
    impl Transform for Only {
        fn name(&self) -> &str {
            "only"
        }

        fn order(&self) -> i32 {
            1
        }

        fn applies(&self, page: &Page, response: &response::Parts) -> bool {
            page.request().extensions.get::<&str>() == Some(&"yes")
                && response.headers.contains_key(CONTENT_TYPE)
        }
    }
    impl EditHead for Only {
        fn edit_head(&self, _page: &Page, response: &mut response::Parts) -> Result<(), BoxError> {
            response
                .headers
                .insert("only", HeaderValue::from_static("yes"));
            Ok(())
        }
    }
    let service = around(TransformChainLayer::new().edit_head(Only), |_| page("<p>"));
    for (said, applies) in [("yes", true), ("no", false)] {
        let mut request = http::Request::builder()
            .method(Method::POST)
            .body(())
            .unwrap();
        request.extensions_mut().insert(said);
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().contains_key("only"), applies);
    }
}

#[tokio::test]
async fn the_layer_works_on_its_own_in_a_router() {
    let layer = TransformChainLayer::new()
        .rewrite(appends("exclaim", 1, "!"))
        .transform_page(ends_with("whole", 2, "<hr>"));
    let app = axum::Router::new()
        .route(
            "/",
            axum::routing::get(|| async { axum::response::Html("<p>hello</p>") }),
        )
        .layer(axum::middleware::from_fn(
            async |request: axum::extract::Request, next: axum::middleware::Next| {
                next.run(request).await
            },
        ))
        .layer(layer);
    let ask = |method| {
        http::Request::builder()
            .method(method)
            .uri("/")
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let response = app.clone().oneshot(ask(Method::GET)).await.unwrap();
    assert_eq!(response.headers()["content-length"], "17");
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "<p>hello!</p><hr>"
    );
    let response = app.oneshot(ask(Method::HEAD)).await.unwrap();
    assert!(
        !response.headers().contains_key("content-length"),
        "{:?}",
        response.headers()
    );
}
