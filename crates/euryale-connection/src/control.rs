//! The view of a pool for operators, without the type of its database.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::pool::{Closing, NoSuchLane, PoolControl, Status, Waiter};
use euryale_core::{Database, Ledger};

use crate::pool::Pool;

impl<D: Database> PoolControl for Pool<D> {
    fn status(&self) -> Status {
        Pool::status(self)
    }

    fn waiters(&self, most: usize) -> Vec<Waiter> {
        Pool::waiters(self, most)
    }

    fn is_reachable(&self) -> bool {
        Pool::is_reachable(self)
    }

    fn ledger(&self) -> &Ledger {
        Pool::ledger(self)
    }

    fn lanes(&self) -> Vec<Arc<str>> {
        self.lane_names().to_vec()
    }

    fn resize(&self, connections: usize) {
        Pool::resize(self, connections);
    }

    fn share(&self, lane: &str, share: usize) -> Result<(), NoSuchLane> {
        let lane = self.lane(lane).ok_or_else(|| NoSuchLane::new(lane))?;
        Pool::share(self, lane, share);
        Ok(())
    }

    fn restrict(&self, max_queue: usize, max_wait: Option<Duration>) {
        Pool::restrict(self, max_queue, max_wait);
    }

    fn close(&self, deadline: Duration) -> Closing {
        let pool = self.clone();
        Box::pin(async move { Pool::close(&pool, deadline).await })
    }
}
