//! Settings.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::threads::BlockingLane;
use tokio::sync::Semaphore;

use crate::PromiseBook;
use crate::shared::SharedPromises;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) passes: u32,
    pub(crate) promises: usize,
    pub(crate) deadline: Duration,
    pub(crate) request_deadline: Duration,
    pub(crate) running: Arc<Semaphore>,
    pub(crate) lane: BlockingLane,
    pub(crate) suspended: Arc<Semaphore>,
    pub(crate) shared: Arc<SharedPromises>,
    pub(crate) server_timing: bool,
    pub(crate) pin_snapshots: bool,
    pub(crate) book: Arc<PromiseBook>,
}
