//! The layers of the onion, each alone around a service that answers at once: what a request costs
//! on its way through a layer that has nothing to do for it.

use std::future::{Ready, ready};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use euryale::blob::ServeBlobLayer;
use euryale::body::SpooledBody;
use euryale::connection::ConnectionLimitLayer;
use euryale::deferred::DeferredLayer;
use euryale::error::APPLICATION;
use euryale::forwarded::{ForwardedLayer, TrustedProxies, VirtualHostLayer};
use euryale::promise::RepublishLayer;
use euryale::publisher::{ConflictPolicy, Publish};
use euryale::respond::RespondLayer;
use euryale::spool::SpoolLayer;
use euryale::transform::{Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer};
use euryale::{Body, BoxError, Error, Pool, Request, Response, Stack, StackService, publisher_fn};
use http::header::{ACCEPT, HOST};
use http::{HeaderValue, Uri};
use http_body_util::BodyExt;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

/// A request as it comes from the edge.
pub(crate) type Incoming = http::Request<Body>;
pub(crate) type Onion = BoxCloneSyncService<Incoming, Response, Error>;

/// As hyper reads one: target and values are slices of one buffer, which all copies of the head
/// share.
pub(crate) fn request() -> Incoming {
    static HEAD: LazyLock<Bytes> = LazyLock::new(|| {
        let head = Bytes::from("/documents/first localhost text/html".to_owned());
        drop(head.clone());
        head
    });
    let value = |range| HeaderValue::from_maybe_shared(HEAD.slice(range)).expect("a value");
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = Uri::from_maybe_shared(HEAD.slice(..16)).expect("a target");
    request.headers_mut().insert(HOST, value(17..26));
    request.headers_mut().insert(ACCEPT, value(27..36));
    request
}

fn answer() -> Response {
    let mut response = Response::new(Body::from("five characters"));
    let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, text);
    response
}

/// Does nothing to each heading.
struct Headings(Selector);

impl Transform for Headings {
    fn name(&self) -> &str {
        "headings"
    }

    fn order(&self) -> i32 {
        1
    }
}

impl Rewrite for Headings {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&self.0, |_| Ok(()));
        Ok(())
    }
}

/// A streaming rewrite, in the task of the request.
fn chain() -> TransformChainLayer {
    let headings = Headings("h2".parse().expect("a selector"));
    TransformChainLayer::new()
        .rewrite(headings)
        .budget(Duration::from_secs(100))
}

/// A page of 16 KiB that is rewritten, its body read.
pub(crate) fn rewritten() -> Onion {
    let line = "<h2>heading</h2><p class=\"text\">text with a <a href=\"/\">link</a></p>\n";
    let page = Bytes::from(line.repeat((16 << 10) / line.len()));
    let page = service_fn(move |_: Incoming| {
        let mut response = Response::new(Body::from(page.clone()));
        let html = http::HeaderValue::from_static("text/html; charset=utf-8");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, html);
        ready(Ok::<_, Error>(response))
    });
    let read = async |response: Response| {
        let (head, body) = response.into_parts();
        let text = body
            .collect()
            .await
            .map_err(|error| Error::with_source(APPLICATION, error))?;
        Ok::<_, Error>(Response::from_parts(head, Body::from(text.to_bytes())))
    };
    boxed(chain().layer(page).and_then(read))
}

/// The innermost: answers at once. It is of some size, so that it costs as much as a layer to clone
/// its box.
#[derive(Clone)]
struct Core(#[expect(dead_code, reason = "for its size")] u64);

impl<B> Service<http::Request<B>> for Core {
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response, Error>>;

    fn poll_ready(
        &mut self,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: http::Request<B>) -> Self::Future {
        ready(Ok(answer()))
    }
}

const CORE: Core = Core(0);

/// From the outermost service to the innermost, with nothing between.
pub(crate) fn bare() -> Onion {
    boxed(CORE)
}

pub(crate) type Make = fn() -> Onion;
pub(crate) type MakeStack = fn() -> StackService;

/// A layer of the onion, alone.
pub(crate) const LAYERS: [(&str, Make); 9] = [
    ("forwarded", || {
        boxed(ForwardedLayer::new(TrustedProxies::default()).layer(CORE))
    }),
    ("virtual host", || {
        boxed(VirtualHostLayer::new(TrustedProxies::default()).layer(CORE))
    }),
    ("transforms", || boxed(chain().layer(CORE))),
    ("respond", || boxed(RespondLayer::new().layer(CORE))),
    ("blobs", || boxed(ServeBlobLayer::new().layer(CORE))),
    ("deferred", || boxed(DeferredLayer::new().layer(CORE))),
    ("spool", || boxed(SpoolLayer::new().layer(CORE))),
    ("republish", || {
        boxed(spooled(RepublishLayer::new().layer(CORE)))
    }),
    ("retry", || {
        boxed(spooled(RetryLayer::new(ConflictPolicy::new()).layer(CORE)))
    }),
];

fn boxed<S>(service: S) -> Onion
where
    S: Service<Incoming, Response = Response, Error: Into<Error>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    BoxCloneSyncService::new(service.map_err(Into::into))
}

/// Gives a layer that stands below the spool an empty body, at no cost.
fn spooled<S>(
    service: S,
) -> impl Service<Incoming, Response = Response, Error = Error, Future: Send> + Clone + Send + Sync
where
    S: Service<Request, Response = Response, Error = Error, Future: Send> + Clone + Send + Sync,
{
    service.map_request(|request: Incoming| request.map(|_body| SpooledBody::default()))
}

/// All of them around a pool and a publisher, which answers from a worker. The chain of transforms,
/// which a stack has only when it is told so, is the outermost.
pub(crate) const STACKS: [(&str, MakeStack); 2] = [
    ("stack", || published(Stack::new(Pool::new((), 1)))),
    ("stack with transforms", || {
        published(Stack::new(Pool::new((), 1)).transforms(chain()))
    }),
];

fn published(stack: Stack<()>) -> StackService {
    stack.publish(|_request, transaction| {
        transaction.connection()?;
        Ok(answer())
    })
}

/// What is inside all layers: a claim on the pool, and the publisher.
pub(crate) fn claimed(pool: Pool<()>) -> impl Service<Incoming, Future: Send> + Clone {
    let publisher = publisher_fn::<(), _>(|_request, transaction| {
        transaction.connection()?;
        Ok(answer())
    });
    spooled(ConnectionLimitLayer::new(pool).layer(Publish::new(publisher)))
}

/// All layers, around the same.
pub(crate) fn whole(pool: Pool<()>) -> impl Service<Incoming, Future: Send> + Clone {
    let stack = published(Stack::new(pool).transforms(chain()));
    let hosts = VirtualHostLayer::new(TrustedProxies::default());
    ForwardedLayer::new(TrustedProxies::default()).layer(hosts.layer(stack))
}

/// The pool alone: a worker answers.
pub(crate) fn pool() -> Pool<()> {
    Pool::new((), 1)
}
