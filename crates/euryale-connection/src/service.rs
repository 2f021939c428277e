//! The layer's service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_core::request::{Route, Times};
use euryale_core::transaction::{History, Publication};
use euryale_core::{Database, Request};
use tower_service::Service;

use crate::layer::Predicate;
use crate::{Lane, Pool, PoolClaim};

/// Gives each request a claim on a pool's connections; made by
/// [`ConnectionLimitLayer`](crate::ConnectionLimitLayer).
///
/// Requests are admitted in `call` and never in `poll_ready`, because callers such as axum may
/// ignore back-pressure.
pub struct ConnectionLimit<S, D: Database> {
    pub(crate) inner: S,
    pub(crate) pool: Pool<D>,
    pub(crate) lanes: Arc<[(Lane, Predicate)]>,
}

euryale_core::inner_service!(ConnectionLimit<S, D: Database>);

impl<S, D> Service<Request> for ConnectionLimit<S, D>
where
    D: Database,
    S: Service<Publication<PoolClaim<D>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let history = request
            .extensions()
            .get::<History>()
            .copied()
            .unwrap_or_default();
        let lane = self
            .lanes
            .iter()
            .find(|(_, predicate)| predicate(&request))
            .map(|(lane, _)| *lane);
        let mut claim = self.pool.claim().history(history);
        if let Some(lane) = lane {
            claim = claim.lane(lane);
        }
        let route = request.extensions().get::<Route>();
        let times = request.extensions().get::<Times>();
        if let (Some(times), Some(route)) = (times, route) {
            times.belongs_to(route);
        }
        if let Some(route) = route {
            claim = claim.route(route.clone());
        }
        if let Some(times) = times {
            claim = claim.times(times.clone());
        }
        self.inner.call(Publication { request, claim })
    }
}

impl<S: Clone, D: Database> Clone for ConnectionLimit<S, D> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            pool: self.pool.clone(),
            lanes: Arc::clone(&self.lanes),
        }
    }
}

impl<S: fmt::Debug, D: Database> fmt::Debug for ConnectionLimit<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLimit")
            .field("inner", &self.inner)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
