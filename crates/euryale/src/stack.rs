//! The prebuilt stack of all layers.

mod layers;
mod own;
mod service;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use euryale_blob::{OffloadLayer, ServeBlobLayer};
use euryale_connection::{ConnectionLimitLayer, Lane, Pool};
use euryale_core::body::{EarlyAnswers, SpillBudget};
use euryale_core::request::Internal;
use euryale_core::transaction::{Access, ReleasePoint};
use euryale_core::{
    Abort, Body, BoxError, Database, Error, Ledger, Publisher, Request, Response, Transaction,
};
use euryale_deferred::DeferredLayer;
use euryale_promise::RepublishLayer;
use euryale_publisher::{ConflictPolicy, Publish};
use euryale_respond::RespondLayer;
use euryale_spool::SpoolLayer;
use euryale_transform::{TRANSFORM_FAILED, TransformChainLayer};
use tower::retry::RetryLayer;
use tower::util::{BoxCloneSyncService, option_layer};
use tower::{Service, ServiceExt};
use tower_layer::Layer;

pub use self::layers::StackLayers;
use self::own::OwnLayers;
pub use self::own::StackInner;
pub use self::service::StackService;
use crate::connection::PoolBook;

/// The layers in their order, with one ledger:
/// `(TransformChain) · Respond · ServeBlob · AwaitDeferred · Spool · Republish · Retry ·
/// ConnectionLimit · Publish`.
///
/// For anything that the stack does not offer, compose the layers by hand: each also works on its
/// own.
///
/// ```
/// use euryale::{Body, Pool, Response, Stack};
/// use euryale_test::CountingDatabase; // stands for your database
///
/// let pool = Pool::new(CountingDatabase::new(), 2);
/// let site = Stack::new(pool).publish(|request, transaction| {
///     let connection = transaction.connection()?;
///     let text = format!("{} by connection {}", request.uri(), connection.id());
///     Ok(Response::new(Body::from(text)))
/// });
/// let app: axum::Router = axum::Router::new()
///     .route("/live", axum::routing::get(|| async { "an asynchronous route needs no worker" }))
///     .fallback_service(site);
/// # let _ = app;
/// ```
#[must_use]
pub struct Stack<D: Database> {
    pool: Pool<D>,
    limit: ConnectionLimitLayer<D>,
    retry: ConflictPolicy,
    layers: StackLayers,
    respond: RespondLayer,
    transforms: Option<TransformChainLayer>,
    own: OwnLayers,
    deadline: Option<Duration>,
    deadline_for: Option<Rule<Option<Duration>>>,
    access: Option<Rule<Access>>,
    abort_if_gone: Option<Rule<bool>>,
    release_point: Option<Rule<ReleasePoint>>,
    early_answers: Option<EarlyAnswers>,
}

type Rule<T> = Box<dyn Fn(&Request) -> T + Send + Sync>;

impl<D: Database> Stack<D> {
    /// Creates a stack on `pool`, whose ledger all layers share.
    pub fn new(pool: Pool<D>) -> Self {
        Self::with_layers(pool, StackLayers::uncounted())
    }

    /// Creates a stack on `pool` with these layers, whose threads were declared before. They count
    /// in the pool's ledger.
    pub fn with_layers(pool: Pool<D>, layers: StackLayers) -> Self {
        Self {
            limit: ConnectionLimitLayer::new(pool.clone()),
            retry: ConflictPolicy::new(),
            layers,
            respond: RespondLayer::new(),
            transforms: None,
            own: OwnLayers::default(),
            deadline: None,
            deadline_for: None,
            access: None,
            abort_if_gone: None,
            release_point: None,
            early_answers: None,
            pool,
        }
    }

    /// Sets the policy for conflicts. It counts in the stack's ledger.
    pub fn retry(mut self, policy: ConflictPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the layer for promises. It counts in the stack's ledger.
    pub fn republish(mut self, layer: RepublishLayer) -> Self {
        self.layers.republish = layer;
        self
    }

    /// Sets the layer for request bodies. It counts in the stack's ledger, and also asks the pool
    /// before it admits a request. If a program has several stacks, give all their spools the same
    /// [budget](SpoolLayer::budget).
    pub fn spool(mut self, layer: SpoolLayer) -> Self {
        self.layers.spool = layer;
        self
    }

    /// Sets the layer for files. It counts in the stack's ledger.
    pub fn blobs(mut self, layer: ServeBlobLayer) -> Self {
        self.layers.blobs = layer;
        self
    }

    /// Adds a layer just inside `ServeBlob` that leaves files to a reverse proxy which asks for it.
    /// It counts in the stack's ledger. Default: none.
    pub fn offload(mut self, layer: OffloadLayer) -> Self {
        self.layers.offload = Some(layer);
        self
    }

    /// Sets the layer for deferred responses and for bodies that synchronous code writes. It counts
    /// in the stack's ledger.
    pub fn deferred(mut self, layer: DeferredLayer) -> Self {
        self.layers.deferred = layer;
        self
    }

    /// Sets the layer that makes error pages.
    pub fn respond(mut self, layer: RespondLayer) -> Self {
        self.respond = layer;
        self
    }

    /// Transforms pages, including error pages, outside all other layers. Sub-requests through
    /// [`Internal`] enter the stack inside this layer. It counts in the stack's ledger. Default:
    /// none.
    pub fn transforms(mut self, layer: TransformChainLayer) -> Self {
        self.transforms = Some(layer);
        self
    }

    /// Adds your own layer just inside `Respond`, for permissions, for example. It sees each
    /// request, including sub-requests through [`Internal`], before its body is read and before it
    /// waits for a connection. Its errors are answered like all others. If you add several, the
    /// first is outermost. Each costs one box per request. Default: none.
    ///
    /// It accepts any tower layer. axum's own middleware (`from_fn`) does not accept errors, so put
    /// it around the router. For code that needs the publisher's transaction, wrap the
    /// [`Publisher`]; for any other place, compose the layers by hand.
    ///
    /// ```
    /// use euryale::{Body, Pool, Response, Stack};
    /// use euryale_test::CountingDatabase; // stands for your database
    /// use tower::{ServiceExt, util::MapRequestLayer};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = Stack::new(Pool::new(CountingDatabase::new(), 2))
    ///     .layer(MapRequestLayer::new(|mut request: http::Request<Body>| {
    ///         request.extensions_mut().insert(User("Medusa".into())); // from a cookie, say
    ///         request
    ///     }))
    ///     .publish(|request, _| {
    ///         let User(name) = request.extensions().get().expect("the layer");
    ///         Ok(Response::new(Body::from(name.clone())))
    ///     });
    /// let response = site.oneshot(http::Request::new(String::new())).await.unwrap();
    /// # use http_body_util::BodyExt;
    /// assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Medusa");
    /// # }
    /// ```
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<StackInner> + Send + Sync + 'static,
        L::Service: Service<
                http::Request<Body>,
                Response = http::Response<B>,
                Error: Into<Error>,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.own.push(layer);
        self
    }

    /// See [`ConnectionLimitLayer::lane`].
    pub fn lane(
        mut self,
        lane: Lane,
        predicate: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.limit = self.limit.lane(lane, predicate);
        self
    }

    /// See [`Publish::deadline`].
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// See [`Publish::deadline_for`].
    pub fn deadline_for(
        mut self,
        rule: impl Fn(&Request) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.deadline_for = Some(Box::new(rule));
        self
    }

    /// See [`Publish::access`].
    pub fn access(mut self, rule: impl Fn(&Request) -> Access + Send + Sync + 'static) -> Self {
        self.access = Some(Box::new(rule));
        self
    }

    /// See [`Publish::abort_if_gone`].
    pub fn abort_if_gone(
        mut self,
        predicate: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.abort_if_gone = Some(Box::new(predicate));
        self
    }

    /// See [`Publish::release_point`].
    pub fn release_point(
        mut self,
        rule: impl Fn(&Request) -> ReleasePoint + Send + Sync + 'static,
    ) -> Self {
        self.release_point = Some(Box::new(rule));
        self
    }

    /// See [`Publish::early_answers`]. Default: 64 KiB of an answer wait in memory, and up to 1 GiB
    /// in a file in the system's folder for temporary files, of 8 GiB for all answers together.
    pub fn early_answers(mut self, settings: EarlyAnswers) -> Self {
        self.early_answers = Some(settings);
        self
    }

    /// Returns the service that publishes with `publisher`, a function or a closure. A closure's
    /// arguments need no types.
    ///
    /// Pass a type that implements [`Publisher`] to [`publisher`](Self::publisher) instead.
    pub fn publish<F>(self, publisher: F) -> StackService
    where
        F: Fn(&Request, &mut Transaction<'_, D>) -> Result<Response, Abort> + Send + Sync + 'static,
    {
        self.publisher(publisher)
    }

    /// Returns the service that publishes with `publisher`, a type that implements [`Publisher`].
    pub fn publisher(self, publisher: impl Publisher<D>) -> StackService {
        let ledger = self.pool.ledger().clone();
        let StackLayers {
            republish,
            spool,
            blobs,
            offload,
            deferred,
        } = self.layers.ledger(&ledger);
        let mut publish = Publish::new(publisher).deadline(self.deadline);
        if let Some(rule) = self.deadline_for {
            publish = publish.deadline_for(rule);
        }
        if let Some(rule) = self.access {
            publish = publish.access(rule);
        }
        if let Some(rule) = self.abort_if_gone {
            publish = publish.abort_if_gone(rule);
        }
        if let Some(rule) = self.release_point {
            let settings = self.early_answers.unwrap_or_else(|| {
                let files = SpillBudget::new(std::env::temp_dir(), 8 << 30, &ledger);
                EarlyAnswers::new().spill(files)
            });
            publish = publish.release_point(rule).early_answers(settings);
        }
        let retry = RetryLayer::new(self.retry.ledger(ledger.clone()));
        let inner = retry.layer(self.limit.layer(publish));
        let inner = republish.layer(inner);
        let inner = spool.admit(self.pool).layer(inner);
        let inner = deferred.layer(inner);
        let inner = option_layer(offload).layer(inner);
        let inner = blobs.layer(inner);
        let respond = self.respond;
        let transforms = self.transforms;
        let site = if self.own.is_empty() {
            finished(respond.layer(inner), respond, transforms, &ledger)
        } else {
            let inner = self.own.around(BoxCloneSyncService::new(inner));
            finished(respond.layer(inner), respond, transforms, &ledger)
        };
        ledger.threads.check();
        site
    }
}

/// Adds the entry for sub-requests, and the transforms outside it. Both share one box, because each
/// box costs an allocation per request.
fn finished<S>(
    service: S,
    respond: RespondLayer,
    transforms: Option<TransformChainLayer>,
    ledger: &Ledger,
) -> StackService
where
    S: Service<http::Request<Body>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let counted = ledger.clone();
    let internal = Internal::new(service.clone().map_err(Error::from));
    let internal = internal.with_room(move || free_connections(&counted));
    let service = match transforms {
        Some(layer) => {
            let failed = Error::new(TRANSFORM_FAILED);
            let layer = layer.or_failed(move |page| respond.answer(&failed, page.request()));
            BoxCloneSyncService::new(layer.ledger(ledger.clone()).layer(service))
        }
        None => BoxCloneSyncService::new(service),
    };
    StackService::new(service, internal)
}

/// Returns the number of connections that no job holds or waits for.
fn free_connections(ledger: &Ledger) -> usize {
    let taken = ledger.of::<PoolBook>().publishers.running.get()
        + ledger.of::<PoolBook>().queue.depth.get();
    usize::try_from(ledger.of::<PoolBook>().connections.cap.get() - taken).unwrap_or(0)
}

impl<D: Database> fmt::Debug for Stack<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("pool", &self.pool)
            .field("retry", &self.retry)
            .field("layers", &self.layers)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
