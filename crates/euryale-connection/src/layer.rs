//! The layer.

use std::fmt;
use std::sync::Arc;

use euryale_core::{Database, Request};
use tower_layer::Layer;

use crate::{ConnectionLimit, Lane, Pool};

/// Gives each request a claim on a pool's connections.
///
/// The claim includes two of the request's extensions: its
/// [`History`](euryale_core::transaction::History), so that a request that was admitted before goes
/// ahead, and its [`Route`](euryale_core::request::Route), which shows operators what holds a
/// connection.
///
/// The inner service takes a [`Publication`](euryale_core::transaction::Publication); usually it is
/// `Publish`. See the [crate's documentation](crate).
#[doc(alias = "semaphore")]
#[doc(alias = "ConcurrencyLimit")]
#[must_use]
pub struct ConnectionLimitLayer<D: Database> {
    pool: Pool<D>,
    lanes: Arc<[(Lane, Predicate)]>,
}

pub(crate) type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl<D: Database> ConnectionLimitLayer<D> {
    /// Creates a layer that makes claims on `pool`.
    pub fn new(pool: Pool<D>) -> Self {
        Self {
            pool,
            lanes: Arc::new([]),
        }
    }

    /// Lets requests that match `predicate` wait in `lane`. The first matching lane counts.
    /// Default: no lanes.
    ///
    /// # Panics
    /// The lane belongs to another pool.
    pub fn lane(
        self,
        lane: Lane,
        predicate: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        // The lane is checked here, when the program starts, and not at the first request.
        let _ = self.pool.claim().lane(lane);
        let added: (Lane, Predicate) = (lane, Arc::new(predicate));
        Self {
            lanes: self.lanes.iter().cloned().chain([added]).collect(),
            ..self
        }
    }
}

impl<D: Database, S> Layer<S> for ConnectionLimitLayer<D> {
    type Service = ConnectionLimit<S, D>;

    fn layer(&self, inner: S) -> Self::Service {
        ConnectionLimit {
            inner,
            pool: self.pool.clone(),
            lanes: Arc::clone(&self.lanes),
        }
    }
}

impl<D: Database> Clone for ConnectionLimitLayer<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            lanes: Arc::clone(&self.lanes),
        }
    }
}

impl<D: Database> fmt::Debug for ConnectionLimitLayer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLimitLayer")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
