//! Turns in the lanes, taken when a response needs one and used later.

use std::sync::{Mutex, PoisonError};

use euryale_core::ledger::{Gauge, GaugeGuard};
use euryale_core::{BlockingLane, Error, ErrorKind, Ledger, RunBlocking, Turn, Work};

/// A turn, now or not at all.
pub(crate) fn enter(
    lane: &BlockingLane,
    ledger: &Ledger,
    gauge: fn(&Ledger) -> &Gauge,
) -> Result<Turn, Error> {
    let turn = lane
        .try_enter()
        .inspect_err(|_| ledger.deferred.full.add(1))?;
    Ok(turn.counted(GaugeGuard::new(ledger, gauge, 1)))
}

/// A turn that is held for work which comes later, or never.
pub(crate) struct Reserved(Mutex<Option<Turn>>);

impl Reserved {
    pub(crate) fn new(turn: Turn) -> Self {
        Self(Mutex::new(Some(turn)))
    }
}

impl RunBlocking for Reserved {
    fn run(&self, work: Work) -> Result<(), Error> {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        turn.ok_or_else(|| Error::new(ErrorKind::LaneFull))?
            .run(work)
    }
}
