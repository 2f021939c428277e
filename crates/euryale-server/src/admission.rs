//! The places for sockets, and the terms of new ones.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::crowd::Crowd;
use crate::per_peer::PerPeer;
use crate::terms::{Settings, Terms};

/// The terms of new sockets, and the places for them.
#[derive(Debug)]
pub(crate) struct Admission {
    tasks: TaskTracker,
    now: Mutex<(Arc<Terms>, usize)>,
    /// One permit for each socket that may be open, and the number of surplus permits that still
    /// have to be returned.
    places: Arc<Semaphore>,
    owed: AtomicUsize,
    /// The idle sockets, if one of them is closed for a new one.
    pub(crate) crowd: Option<Crowd>,
    pub(crate) per_peer: PerPeer,
}

impl Admission {
    pub(crate) fn new(settings: &Settings) -> Self {
        let tasks = TaskTracker::new();
        let terms = Arc::new(Terms::new(settings, &tasks));
        let most = most(settings);
        Self {
            tasks,
            now: Mutex::new((terms, most)),
            places: Arc::new(Semaphore::new(most)),
            owed: AtomicUsize::new(0),
            crowd: settings.close_idle_for_new.then(Crowd::default),
            per_peer: PerPeer::new(settings.max_sockets_per_peer),
        }
    }

    /// Returns the tracker of conversations and HTTP/2 streams.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Returns the terms of a new socket.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Returns a place among all sockets, if there is one.
    pub(crate) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
            if let Some(permit) = self.unless_owed(permit) {
                return Some(permit);
            }
        }
    }

    /// Waits for a place.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            // The semaphore is never closed.
            let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
            if let Some(permit) = self.unless_owed(permit) {
                return Some(permit);
            }
        }
    }

    fn unless_owed(&self, permit: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        let one_less = |owed: usize| owed.checked_sub(1);
        match self
            .owed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
        {
            Ok(_) => {
                permit.forget();
                None
            }
            Err(_) => Some(permit),
        }
    }

    pub(crate) fn change(&self, settings: &Settings) {
        let most = most(settings);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut now.1, most);
        if let Some(fewer) = before.checked_sub(most) {
            // The permits of open sockets are returned when they are closed.
            let left = fewer - self.places.forget_permits(fewer);
            self.owed.fetch_add(left, Ordering::Relaxed);
        } else {
            let more = most - before;
            let rest = |owed: usize| Some(owed.saturating_sub(more));
            let owed = self
                .owed
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest)
                .unwrap_or(0);
            self.places.add_permits(more.saturating_sub(owed));
        }
        self.per_peer.allow(settings.max_sockets_per_peer);
        now.0 = Arc::new(Terms::new(settings, &self.tasks));
    }
}

fn most(settings: &Settings) -> usize {
    // The upper limit is far above the number of descriptors, and far below the maximum of a
    // semaphore.
    settings.max_sockets.clamp(1, 1 << 30)
}
