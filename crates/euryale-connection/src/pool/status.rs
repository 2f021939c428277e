//! How a pool stands.

use std::time::Duration;

/// A pool at one moment: for health checks, agents and people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// How many connections there may be.
    pub cap: usize,
    /// Permits that are out: jobs that run, and workers about to start or to end.
    pub running: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// For how long the oldest of them has waited.
    pub oldest_wait: Option<Duration>,
    /// Open connections that wait for work.
    pub idle: usize,
    /// The pool takes no more jobs.
    pub is_closed: bool,
}
