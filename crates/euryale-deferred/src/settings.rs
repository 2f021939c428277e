//! Settings.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::threads::BlockingLane;
use tokio::sync::Semaphore;

use crate::DeferredBook;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) futures: Arc<Semaphore>,
    pub(crate) blocking: BlockingLane,
    pub(crate) writers: BlockingLane,
    pub(crate) deadline: Option<Duration>,
    pub(crate) depth: u32,
    pub(crate) window: usize,
    pub(crate) stall: Duration,
    pub(crate) ledger: Ledger,
    pub(crate) book: Arc<DeferredBook>,
}
