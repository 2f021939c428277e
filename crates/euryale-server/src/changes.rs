//! Changes a server's limits for its peers while it runs.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::Server;
use crate::admission::Admission;
use crate::terms::Settings;

/// Changes a server's limits for its peers while it runs. Made by [`Server::changes`]; clones are
/// handles to the same server.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<Subject>>);

/// The server to be changed, before its start or running.
#[derive(Debug, Default)]
struct Subject {
    next: Option<Settings>,
    at_work: Weak<Admission>,
}

impl Changes {
    /// Gives new sockets the limits and time-outs of `like`, which is everything that its methods
    /// set except listeners, the admin, the ledger, the lists of the slowest requests and of polls,
    /// and the deadline and the log line of the drain. Open sockets keep their limits. If more
    /// sockets are open than the new limit allows, none is closed: new ones wait until enough have
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

    /// Starts with the settings of a server, or with the changes that were made before.
    pub(crate) fn begin(&self, settings: Settings) -> Arc<Admission> {
        let mut subject = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = subject.next.take().unwrap_or(settings);
        let admission = Arc::new(Admission::new(&settings));
        subject.at_work = Arc::downgrade(&admission);
        admission
    }
}
