//! Promises that block: a few threads, whatever is asked for.

use euryale_core::ledger::GaugeGuard;
use euryale_core::{BlockingLane, Ledger, PanicMessage};

use crate::PromiseError;
use crate::asks::Value;

/// Runs `job` when a thread of the lane is free.
pub(crate) async fn run(
    lane: &BlockingLane,
    ledger: &Ledger,
    job: Box<dyn FnOnce() -> Value + Send>,
) -> Value {
    let lost = |_| PromiseError::NoThread;
    let turn = lane.enter().await.map_err(lost)?;
    let turn = turn.counted(GaugeGuard::new(
        ledger,
        |ledger| &ledger.promises.running,
        1,
    ));
    // Caught here, where its message is a value.
    let done = turn.start(move || PanicMessage::catch(job)).map_err(lost)?;
    done.await
        .map_err(lost)?
        .unwrap_or_else(|panic| Err(PromiseError::Panicked(panic.into())))
}
