//! Promises that block, on a fixed number of threads.

use euryale_core::error::PanicMessage;
use euryale_core::ledger::GaugeGuard;
use euryale_core::threads::BlockingLane;

use crate::asks::Value;
use crate::{PromiseBook, PromiseError};

/// Runs `job` as soon as a thread of the lane is free.
pub(crate) async fn run(
    lane: &BlockingLane,
    book: &PromiseBook,
    job: Box<dyn FnOnce() -> Value + Send>,
) -> Value {
    let lost = |_| PromiseError::NoThread;
    let turn = lane.enter().await.map_err(lost)?;
    let turn = turn.counted(GaugeGuard::new(&book.running, 1));
    // A panic is caught here and becomes a value.
    let done = turn.start(move || PanicMessage::catch(job)).map_err(lost)?;
    done.await
        .map_err(lost)?
        .unwrap_or_else(|panic| Err(PromiseError::Panicked(panic.into())))
}
