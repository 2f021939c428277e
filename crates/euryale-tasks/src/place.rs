//! The places of a runner: how many of its tasks run at a time, and how many are suspended.
//!
//! A place belongs to a run until nothing of it is left: neither its future, nor a publisher that
//! still works for it. So a process never runs more tasks than its share, whatever times out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use euryale_core::ledger::Gauge;
use tokio::sync::watch;

/// Clones share the places.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    share: usize,
    most_suspended: usize,
    taken: Mutex<Taken>,
    /// The number of places in use. Receivers are notified when one is freed.
    in_use: watch::Sender<usize>,
    running: Gauge,
    suspended: Gauge,
}

#[derive(Debug, Default)]
struct Taken {
    running: usize,
    suspended: usize,
}

impl Places {
    pub(crate) fn new(
        share: usize,
        most_suspended: usize,
        running: Gauge,
        suspended: Gauge,
    ) -> Self {
        Self(Arc::new(Shared {
            share,
            most_suspended,
            taken: Mutex::default(),
            in_use: watch::Sender::new(0),
            running,
            suspended,
        }))
    }

    /// Returns how many more tasks may run now.
    pub(crate) fn free(&self) -> usize {
        self.0.share.saturating_sub(self.lock().running)
    }

    /// Takes a place. The share is only a limit for [`free`](Self::free).
    pub(crate) fn take(&self) -> Place {
        let mut taken = self.lock();
        taken.running += 1;
        self.0.running.add(1);
        let in_use = taken.running + taken.suspended;
        self.0.in_use.send_if_modified(|known| {
            *known = in_use;
            false
        });
        Place {
            places: self.clone(),
            is_suspended: Mutex::new(false),
        }
    }

    /// Returns a receiver that is notified whenever a place is freed.
    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.0.in_use.subscribe()
    }

    fn tell(&self, taken: &Taken) {
        self.0.in_use.send_replace(taken.running + taken.suspended);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one run.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    is_suspended: Mutex<bool>,
}

impl Place {
    /// Gives the place back while the run waits, unless too many runs are suspended already.
    pub(crate) fn suspend(&self) {
        let mut is_suspended = self.lock();
        let mut taken = self.places.lock();
        if *is_suspended || taken.suspended >= self.places.0.most_suspended {
            return;
        }
        *is_suspended = true;
        taken.running -= 1;
        taken.suspended += 1;
        self.places.0.running.add(-1);
        self.places.0.suspended.add(1);
        self.places.tell(&taken);
    }

    /// Takes a place again. The run waits for a worker like any other, so there may be more runs
    /// than the share for that time, and no further task is taken.
    pub(crate) fn resume(&self) {
        let mut is_suspended = self.lock();
        if !std::mem::take(&mut *is_suspended) {
            return;
        }
        let mut taken = self.places.lock();
        taken.running += 1;
        taken.suspended -= 1;
        self.places.0.running.add(1);
        self.places.0.suspended.add(-1);
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_suspended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_suspended = *self.lock();
        let mut taken = self.places.lock();
        if is_suspended {
            taken.suspended -= 1;
            self.places.0.suspended.add(-1);
        } else {
            taken.running -= 1;
            self.places.0.running.add(-1);
        }
        self.places.tell(&taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspended_run_gives_its_place_back_under_a_bound() {
        let running = Gauge::default();
        let suspended = Gauge::default();
        let places = Places::new(2, 1, running.clone(), suspended.clone());
        let first = places.take();
        let second = places.take();
        assert_eq!(places.free(), 0);
        first.suspend();
        second.suspend(); // One too many: it keeps its place.
        assert_eq!((places.free(), suspended.get()), (1, 1));
        let third = places.take();
        first.resume();
        assert_eq!((places.free(), running.get()), (0, 3));
        drop((first, second, third));
        assert_eq!((places.free(), running.get(), suspended.get()), (2, 0, 0));
    }
}
