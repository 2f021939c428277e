//! Tests of the transform chain outside the stack's other layers.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use euryale_core::BoxError;
use euryale_test::{Gate, eventually};
use euryale_transform::{
    Page, TRANSFORM_FAILED, Transform, TransformChainLayer, TransformPage, order,
};
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};

use super::*;
use crate::connection::PoolBook;
use crate::transform::TransformBook;

/// Puts the result of `frame` before the page.
struct Frame<F> {
    critical: bool,
    frame: F,
}

impl<F: Send + Sync + 'static> Transform for Frame<F> {
    fn name(&self) -> &str {
        "frame"
    }

    fn order(&self) -> i32 {
        order::THEME
    }

    fn is_critical(&self) -> bool {
        self.critical
    }

    fn version(&self) -> Option<Cow<'_, str>> {
        Some("1".into())
    }
}

impl<F> TransformPage for Frame<F>
where
    F: AsyncFrame,
{
    async fn transform(
        &self,
        page: &Page,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        let (head, text) = response.into_parts();
        let frame = self.frame.frame(page).await?;
        Ok(http::Response::from_parts(head, frame + &text))
    }
}

trait AsyncFrame: Send + Sync + 'static {
    fn frame(&self, page: &Page) -> impl Future<Output = Result<String, BoxError>> + Send;
}

/// Makes a sub-request for the page at the same path below `/frame`.
struct Inner;

impl AsyncFrame for Inner {
    async fn frame(&self, page: &Page) -> Result<String, BoxError> {
        let request = page.request();
        let internal = Internal::of(&request.extensions).ok_or("no stack")?;
        let inner = Request::get(format!("/frame{}", request.uri.path())).body(Body::empty())?;
        let response = internal.request(inner, &request.extensions).await?;
        Ok(String::from_utf8(
            response.into_body().collect().await?.to_bytes().to_vec(),
        )?)
    }
}

/// Always returns the same result.
struct Always(Result<&'static str, &'static str>);

impl AsyncFrame for Always {
    async fn frame(&self, _page: &Page) -> Result<String, BoxError> {
        Ok(self.0?.to_owned())
    }
}

fn html(text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, "text/html".parse().unwrap());
    response
}

fn frames<F: AsyncFrame>(frame: F) -> TransformChainLayer {
    TransformChainLayer::new().transform_page(Frame {
        critical: false,
        frame,
    })
}

#[tokio::test]
async fn a_transform_makes_sub_requests_that_enter_inside_the_chain() {
    let pool = pool();
    let stack =
        Stack::new(pool.clone())
            .transforms(frames(Inner))
            .publish(|request, transaction| {
                transaction.connection()?;
                let depth = request
                    .extensions()
                    .get::<InternalRequest>()
                    .map_or(0, InternalRequest::depth);
                Ok(html(format!("{}:{depth} ", request.uri().path())))
            });
    assert_eq!(
        ask(&stack, Method::GET, "/a", "").await.1,
        "/frame/a:1 /a:0 ",
        "one connection is enough"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn error_pages_and_deferred_pages_are_transformed_once_and_keep_their_status() {
    let pool = pool();
    let respond = RespondLayer::new().page(|problem| html(problem.status.as_u16().to_string()));
    let stack = Stack::new(pool.clone())
        .respond(respond)
        .transforms(frames(Always(Ok("+"))))
        .publish(|request, _| match request.uri().path() {
            "/deferred" => Ok(Response::new(Body::deferred(async {
                Ok::<_, BoxError>(html("deferred"))
            }))),
            "/missing" => Err(Abort::response({
                let mut response = html("missing");
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            })),
            _ => std::panic::resume_unwind(Box::new("as scripted")),
        });
    for (path, status, body) in [
        ("/deferred", 200, "+deferred"),
        ("/missing", 404, "+missing"),
        ("/", 500, "+500"),
    ] {
        let request = Request::get(path)
            .header("accept", "text/html")
            .body(String::new())
            .unwrap();
        let response = stack.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_critical_failure_is_answered_with_the_stacks_own_page() {
    let pool = pool();
    let chain = TransformChainLayer::new().transform_page(Frame {
        critical: true,
        frame: Always(Err("no")),
    });
    let respond = || RespondLayer::new().page(|problem| html(problem.code.name()));
    let stack = |chain| {
        Stack::new(pool.clone())
            .respond(respond())
            .transforms(chain)
            .publish(|_, _| Ok(html("page")))
    };
    for (chain, body) in [
        (chain.clone(), "transform.failed"),
        (
            chain.failed(|page| html(page.request().uri.to_string())),
            "/",
        ),
    ] {
        let request = Request::get("/")
            .header("accept", "text/html")
            .body(String::new())
            .unwrap();
        let response = stack(chain).oneshot(request).await.unwrap();
        assert_eq!(response.extensions().get(), Some(&TRANSFORM_FAILED));
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
    assert!(
        pool.ledger()
            .exposition()
            .contains("euryale_transform_failures_total{transform=\"frame\"} 2")
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn the_tag_of_a_transformed_page_revalidates_the_publishers_tag() {
    let pool = pool();
    let stack = Stack::new(pool.clone())
        .transforms(frames(Always(Ok("+"))))
        .publish(|request, _| {
            let mut response = match request
                .headers()
                .get_all(IF_NONE_MATCH)
                .iter()
                .any(|tag| tag == "\"a\"")
            {
                true => Response::new(Body::empty()),
                false => html("page"),
            };
            if response.headers().is_empty() {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
            }
            response
                .headers_mut()
                .insert(ETAG, "\"a\"".parse().unwrap());
            Ok(response)
        });
    let first = stack
        .clone()
        .oneshot(Request::new(String::new()))
        .await
        .unwrap();
    let tag = &first.headers()[ETAG];
    for method in [Method::GET, Method::HEAD] {
        let request = Request::builder()
            .method(method)
            .header(IF_NONE_MATCH, tag)
            .body(String::new())
            .unwrap();
        let again = stack.clone().oneshot(request).await.unwrap();
        assert_eq!(
            (again.status(), &again.headers()[ETAG]),
            (StatusCode::NOT_MODIFIED, tag)
        );
    }
    drop(first);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn files_are_not_transformed() {
    let pool = pool();
    let file = {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"<p>0123456789").unwrap();
        Arc::new(file)
    };
    let stack = Stack::new(pool.clone())
        .transforms(frames(Always(Ok("+"))))
        .publish(move |_, _| Ok(html(crate::Blob::new(file.try_clone().unwrap()).unwrap())));
    for (method, range, status) in [
        (Method::GET, "", 200),
        (Method::HEAD, "", 200),
        (Method::GET, "bytes=0-2", 206),
        (Method::GET, "bytes=0-1,5-6", 206),
    ] {
        let mut request = Request::builder()
            .method(method.clone())
            .body(String::new())
            .unwrap();
        if !range.is_empty() {
            request
                .headers_mut()
                .insert("range", range.parse().unwrap());
        }
        let response = stack.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(
            !response.headers()[ETAG].to_str().unwrap().contains('~'),
            "{method} {range}"
        );
        if method == Method::HEAD {
            assert_eq!(response.headers()["content-length"], "13");
        }
        drop(response);
    }
    assert_quiet(pool.ledger()).await;
}

/// Blocks a thread until its gate is opened. Counts how many threads are blocked at a time.
struct Busy {
    gate: Gate,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl AsyncFrame for Busy {
    async fn frame(&self, page: &Page) -> Result<String, BoxError> {
        let gate = self.gate.clone();
        let now = Arc::clone(&self.now);
        let most = Arc::clone(&self.most);
        page.cpu()
            .run(move || {
                most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
                gate.wait();
                now.fetch_sub(1, Relaxed);
            })
            .await?;
        Ok("+".to_owned())
    }
}

/// 50 requests on one connection are transformed at the same time: the threads for CPU work are the
/// only limit.
#[tokio::test]
async fn the_connection_is_idle_while_pages_are_transformed() {
    const PAGES: u32 = 50;
    const THREADS: usize = 25;
    let pool = pool();
    let gate = Gate::new();
    let transforming = Gate::new();
    let now = Arc::<AtomicUsize>::default();
    let most = Arc::<AtomicUsize>::default();
    let busy = Busy {
        gate: transforming.clone(),
        now: Arc::clone(&now),
        most: Arc::clone(&most),
    };
    let layer = frames(busy).threads(THREADS);
    let theirs = gate.clone();
    let stack = Stack::new(pool.clone())
        .transforms(layer)
        .publish(move |request, transaction| {
            transaction.connection()?;
            if request.uri().path() == "/gate" {
                theirs.wait();
            }
            Ok(html("page"))
        });
    let asked: Vec<_> = (0..PAGES)
        .map(|_| {
            tokio::spawn({
                let stack = stack.clone();
                async move { ask(&stack, Method::GET, "/", "").await }
            })
        })
        .collect();
    let ledger = pool.ledger();
    eventually("all pages are being transformed", || {
        ledger.of::<TransformBook>().running.get() == i64::from(PAGES)
    })
    .await;
    assert_eq!(
        ledger.of::<PoolBook>().connections.in_use.get(),
        0,
        "none of them holds the connection"
    );
    assert_eq!(ledger.of::<PoolBook>().publishers.running.get(), 0);
    // Other requests can use the connection during the transforms.
    let other = tokio::spawn({
        let stack = stack.clone();
        async move { ask(&stack, Method::GET, "/gate", "").await }
    });
    eventually("another one is published", || gate.waiting() == 1).await;
    eventually("all threads are taken", || {
        transforming.waiting() == THREADS
    })
    .await;
    gate.open();
    transforming.open();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), (StatusCode::OK, "+page".to_owned()));
    }
    assert_eq!(
        (now.load(Relaxed), most.load(Relaxed)),
        (0, THREADS),
        "no more at a time than there are threads"
    );
    assert_eq!(other.await.unwrap().1, "+page");
    assert_eq!(
        ledger
            .of::<TransformBook>()
            .by_name
            .of("frame")
            .seconds
            .count(),
        u64::from(PAGES) + 1
    );
    assert_quiet(ledger).await;
}
