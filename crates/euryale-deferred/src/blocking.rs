//! Blocking threads, so many of them.

use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::ledger::{Gauge, GaugeGuard};
use euryale_core::{Error, ErrorKind, Ledger, PanicMessage, RunBlocking, Work};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many places, of which each is good for one thread.
#[derive(Clone)]
pub(crate) struct Lane {
    free: Arc<Semaphore>,
    places: usize,
    gauge: fn(&Ledger) -> &Gauge,
}

impl Lane {
    pub(crate) fn new(places: usize, gauge: fn(&Ledger) -> &Gauge) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(places)), places, gauge }
    }

    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// A place, now or not at all.
    pub(crate) fn enter(&self, ledger: &Ledger) -> Result<Place, Error> {
        self.try_enter(ledger).ok_or_else(|| {
            ledger.deferred.full.add(1);
            Error::new(ErrorKind::LaneFull)
        })
    }

    /// A place, if one is free.
    pub(crate) fn try_enter(&self, ledger: &Ledger) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.place(permit, ledger))
    }

    /// A place, when there is one.
    pub(crate) async fn wait(&self, ledger: &Ledger) -> Result<Place, Error> {
        // It is never closed.
        let permit = Arc::clone(&self.free).acquire_owned().await;
        permit.map(|permit| self.place(permit, ledger)).map_err(|_| Error::new(ErrorKind::Closed))
    }

    fn place(&self, permit: OwnedSemaphorePermit, ledger: &Ledger) -> Place {
        Place { _running: GaugeGuard::new(ledger, self.gauge, 1), _permit: permit }
    }
}

/// A place in a lane. Counted as long as it is held.
pub(crate) struct Place {
    // Given back in this order: whoever finds a place free finds it uncounted.
    _running: GaugeGuard,
    _permit: OwnedSemaphorePermit,
}

/// A place that is held for work which comes later, or never.
pub(crate) struct Reserved(Mutex<Option<Place>>);

impl Reserved {
    pub(crate) fn new(place: Place) -> Self {
        Self(Mutex::new(Some(place)))
    }
}

impl RunBlocking for Reserved {
    fn run(&self, work: Work) -> Result<(), Error> {
        let place = take(&self.0).ok_or_else(|| Error::new(ErrorKind::LaneFull))?;
        run(work, place)
    }
}

/// Runs `work` in a thread, which gives `place` back.
#[expect(
    clippy::disallowed_methods,
    reason = "the lanes for what comes after a transaction: places bound them"
)]
pub(crate) fn run(work: Work, place: impl Send + 'static) -> Result<(), Error> {
    let runtime = Handle::try_current().map_err(|error| Error::with_source(ErrorKind::NoWorker, error))?;
    // Without a thread tokio panics, and keeps the closure until it has one: neither work nor place must stay in it.
    let kept = Arc::new(Mutex::new(Some((work, place))));
    let taken = Arc::clone(&kept);
    let run = move || {
        if let Some((work, place)) = take(&taken) {
            work.run(place);
        }
    };
    PanicMessage::catch(|| runtime.spawn_blocking(run)).map(drop).map_err(|panic| {
        drop(take(&kept));
        Error::with_source(ErrorKind::NoWorker, panic)
    })
}

fn take<T>(kept: &Mutex<Option<T>>) -> Option<T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).take()
}
