//! The limits for peers, and how they change while the server runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::Server;
use crate::clock::Limits;
use crate::conversation::Tracked;
use crate::crowd::Crowd;
use crate::incoming::Pace;
use crate::per_peer::PerPeer;
use crate::settings::Settings;

/// What a socket is allowed for as long as it is open.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) http: auto::Builder<Tracked>,
    pub(crate) limits: Limits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_resets: u32,
    pub(crate) max_control_frames: u32,
    pub(crate) max_head: usize,
    pub(crate) max_target: usize,
    pub(crate) pace: Pace,
}

impl Terms {
    fn new(settings: &Settings, tasks: &TaskTracker) -> Self {
        Self {
            http: settings.builder(Tracked {
                tasks: tasks.clone(),
                stall: settings.limits.write,
            }),
            limits: settings.limits,
            handshake_timeout: settings.handshake_timeout,
            max_resets: settings.max_resets,
            max_control_frames: settings.max_control_frames,
            max_head: settings.max_head(),
            max_target: settings.max_target(),
            pace: settings.pace,
        }
    }
}

/// The terms of new sockets, and the places for them.
#[derive(Debug)]
pub(crate) struct Admission {
    tasks: TaskTracker,
    now: Mutex<(Arc<Terms>, usize)>,
    /// One permit for each socket that may be open, and the number of surplus permits that have
    /// still to be returned.
    places: Arc<Semaphore>,
    owed: AtomicUsize,
    /// Of operators' sockets.
    pub(crate) crowd: Option<Crowd>,
    pub(crate) per_peer: PerPeer,
}

impl Admission {
    pub(crate) fn new(settings: &Settings, tasks: &TaskTracker, crowd: Option<Crowd>) -> Self {
        let terms = Arc::new(Terms::new(settings, tasks));
        let most = most(settings);
        Self {
            tasks: tasks.clone(),
            now: Mutex::new((terms, most)),
            places: Arc::new(Semaphore::new(most)),
            owed: AtomicUsize::new(0),
            crowd,
            per_peer: PerPeer::new(settings.max_sockets_per_peer),
        }
    }

    /// The terms of a new socket.
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
            // Nobody closes the semaphore.
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

    fn change(&self, settings: &Settings) {
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
    // Far more than there are descriptors, and far fewer than a semaphore can have.
    settings.max_sockets.clamp(1, 1 << 30)
}

/// Changes a server's limits for its peers while it runs. Made by [`Server::changes`]; clones are
/// handles to the same server.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<Subject>>);

/// The server that it changes: one that has not started yet, or a running one.
#[derive(Debug, Default)]
struct Subject {
    next: Option<Settings>,
    are_operators: bool,
    at_work: Weak<Admission>,
}

impl Changes {
    /// The terms of a server for operators, where an idle socket makes room for a new one.
    pub(crate) fn of_operators() -> Self {
        Self(Arc::new(Mutex::new(Subject {
            are_operators: true,
            ..Subject::default()
        })))
    }

    /// Gives new sockets the limits and time-outs of `like`: everything that its methods set except
    /// listeners, the admin, the ledger and the deadline of the drain. Open sockets keep theirs. If
    /// more are open than the new limit allows, none is closed: new ones wait until enough have
    /// ended.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use euryale_server::Server;
    ///
    /// let settings = |seconds| {
    ///     let idle = Duration::from_secs(seconds);
    ///     Server::new().idle_timeout(idle).max_sockets(5_000)
    /// };
    /// let server = settings(30);
    /// let changes = server.changes();
    /// // `server.listen(..).serve(..)` runs; on a signal:
    /// changes.apply(&settings(75));
    /// ```
    pub fn apply(&self, like: &Server) {
        let mut subject = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match subject.at_work.upgrade() {
            Some(admission) => admission.change(&like.settings),
            None => subject.next = Some(like.settings.clone()),
        }
    }

    /// A server starts, with the changes made before.
    pub(crate) fn begin(&self, settings: Settings, tasks: &TaskTracker) -> Arc<Admission> {
        let mut subject = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let admission = Arc::new(Admission::new(
            &subject.next.take().unwrap_or(settings),
            tasks,
            subject.are_operators.then(Crowd::default),
        ));
        subject.at_work = Arc::downgrade(&admission);
        admission
    }
}
