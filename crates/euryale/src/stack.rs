//! The whole onion, prebuilt.

mod service;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use euryale_connection::{ConnectionLimitLayer, Lane, Pool};
use euryale_core::{
    Abort, Body, Database, Internal, Publisher, Request, Response, Transaction, publisher_fn,
};
use euryale_promise::RepublishLayer;
use euryale_publisher::{ConflictPolicy, Publish, RespondLayer};
use euryale_spool::SpoolLayer;
use tower::ServiceExt;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;

pub use self::service::StackService;
use crate::BlockingThreads;

/// The layers in their order, with one ledger: `Respond · Spool · Republish · Retry · ConnectionLimit ·
/// Publish`.
///
/// What the stack cannot do, composing the layers by hand can: each works alone.
///
/// ```
/// use euryale::{Body, Pool, Response, Stack};
/// use euryale_test::CountingDatabase;
///
/// let pool = Pool::new(CountingDatabase::new(), 2);
/// let site = Stack::new(pool).publish_fn(|request, transaction| {
///     let connection = transaction.connection()?;
///     Ok(Response::new(Body::from(format!("{} by connection {}", request.uri(), connection.id()))))
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
    republish: RepublishLayer,
    spool: SpoolLayer,
    respond: RespondLayer,
    deadline: Option<Duration>,
    abort_if_gone: Option<Predicate>,
    threads: Option<BlockingThreads>,
}

/// tokio's own runtimes have 512 blocking threads. More than this, and what else blocks there has too few.
const MOST_ON_ANY_RUNTIME: usize = 400;

type Predicate = Box<dyn Fn(&Request) -> bool + Send + Sync>;

impl<D: Database> Stack<D> {
    /// A stack on `pool`, whose ledger all its layers share.
    pub fn new(pool: Pool<D>) -> Self {
        Self {
            limit: ConnectionLimitLayer::new(pool.clone()),
            retry: ConflictPolicy::new(),
            republish: RepublishLayer::new(),
            spool: SpoolLayer::new(),
            respond: RespondLayer::new(),
            deadline: None,
            abort_if_gone: None,
            threads: None,
            pool,
        }
    }

    /// Other settings for conflicts. Its ledger is the stack's.
    pub fn retry(mut self, policy: ConflictPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Other settings for promises. Its ledger is the stack's.
    pub fn republish(mut self, layer: RepublishLayer) -> Self {
        self.republish = layer;
        self
    }

    /// Other settings for request bodies. Its ledger is the stack's, and it asks the pool whom to admit as
    /// well.
    pub fn spool(mut self, layer: SpoolLayer) -> Self {
        self.spool = layer;
        self
    }

    /// Other error pages.
    pub fn respond(mut self, layer: RespondLayer) -> Self {
        self.respond = layer;
        self
    }

    /// See [`ConnectionLimitLayer::lane`].
    pub fn lane(mut self, lane: Lane, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.limit = self.limit.lane(lane, predicate);
        self
    }

    /// See [`Publish::deadline`].
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// See [`Publish::abort_if_gone`].
    pub fn abort_if_gone(mut self, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.abort_if_gone = Some(Box::new(predicate));
        self
    }

    /// What the [`runtime`](crate::runtime()) was made for. The stack warns when it may want more blocking threads than
    /// that, and without this when it may want more than 400, which any runtime of tokio's has.
    pub fn blocking_threads(mut self, threads: &BlockingThreads) -> Self {
        self.threads = Some(*threads);
        self
    }

    fn check_threads(&self) {
        let (cap, writers) = (self.pool.status().cap, self.spool.writer_threads());
        let promises = self.republish.promise_threads();
        let there = self.threads.map_or(MOST_ON_ANY_RUNTIME, |threads| threads.sum());
        if cap + writers + promises > there {
            tracing::warn!(
                connections = cap,
                spool_writers = writers,
                blocking_promises = promises,
                threads = there,
                "the stack may want more blocking threads than its runtime has for it: make one with euryale::runtime"
            );
        }
    }

    /// The service: publishes with `publisher`.
    pub fn publish(self, publisher: impl Publisher<D>) -> StackService {
        self.check_threads();
        let ledger = self.pool.ledger().clone();
        let publish = Publish::new(publisher).deadline(self.deadline);
        let publish = match self.abort_if_gone {
            Some(predicate) => publish.abort_if_gone(predicate),
            None => publish,
        };
        let retry = RetryLayer::new(self.retry.ledger(ledger.clone()));
        let inner = retry.layer(self.limit.layer(publish));
        let inner = self.republish.ledger(ledger.clone()).layer(inner);
        let inner = self.spool.ledger(ledger).admit(self.pool).layer(inner);
        let service: BoxCloneSyncService<http::Request<Body>, Response, _> =
            BoxCloneSyncService::new(self.respond.layer(inner));
        StackService::new(service.clone(), Internal::new(service.map_err(euryale_core::Error::from)))
    }

    /// The service: publishes with a closure, whose arguments need no types here.
    pub fn publish_fn<F>(self, publisher: F) -> StackService
    where
        F: Fn(&Request, &mut Transaction<'_, D>) -> Result<Response, Abort> + Send + Sync + 'static,
    {
        self.publish(publisher_fn(publisher))
    }
}

impl<D: Database> fmt::Debug for Stack<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("pool", &self.pool)
            .field("retry", &self.retry)
            .field("republish", &self.republish)
            .field("spool", &self.spool)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
