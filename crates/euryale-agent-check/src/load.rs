//! How a node stands, and what that is worth.

use std::fmt;
use std::time::Duration;

/// How a node stands at one moment. For a pool of `euryale-connection` each field is one of its
/// `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// May requests come at all?
    pub standing: Standing,
    /// Workers, and so publications at a time.
    pub workers: usize,
    /// How many of them work.
    pub busy: usize,
    /// How many of those are taken to be stuck: they have run for longer than any publication
    /// should.
    pub stuck: usize,
    /// Requests that wait for a worker.
    pub queued: usize,
    /// For how long the oldest of them has waited.
    pub oldest_wait: Duration,
}

/// May requests come at all?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Ready,
    /// Not now: the node is not ready, or lost what it needs.
    Down,
    /// No new ones: it is about to end.
    Draining,
    /// It has been taken out on purpose, and its checks should not alarm anybody.
    Maintenance,
}

/// What a balancer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Takes requests, by this share in percent of what it takes when it is free (at least 1), and
    /// so many at a time.
    Up {
        /// 1 to 100.
        weight: u8,
        /// At least 1.
        maxconn: usize,
    },
    /// Takes none, and somebody should look.
    Down(&'static str),
    /// Takes no new ones.
    Drain,
    /// Is not there, on purpose.
    Maint,
}

impl Answer {
    /// What `load` is worth.
    ///
    /// * **weight**: the share of workers that are not stuck, less half of the share that is busy.
    ///   When requests wait, less up to three quarters of that: all three when the oldest has
    ///   waited for `patience`.
    /// * **maxconn**: a request for each worker, and one more that waits for each that is not
    ///   stuck; of the latter up to three quarters less, in the same way. The balancer counts those
    ///   that are there by itself.
    ///
    /// With every worker stuck it is down: what comes would only wait. Requests that hold no
    /// worker, such as downloads, uploads and those that wait for promises, count for nothing, so a
    /// node that streams a hundred files is as free as one that streams none. See
    /// [`AgentCheck::connections`](crate::AgentCheck::connections) for what that means for
    /// `maxconn`.
    #[must_use]
    pub fn of(load: &Load, patience: Duration) -> Self {
        match load.standing {
            Standing::Draining => return Self::Drain,
            Standing::Maintenance => return Self::Maint,
            Standing::Down => return Self::Down("not ready"),
            Standing::Ready => {}
        }
        let workers = load.workers.max(1);
        let sound = workers.saturating_sub(load.stuck);
        if sound == 0 {
            return Self::Down("every worker is stuck");
        }
        let busy = load.busy.saturating_sub(load.stuck).min(sound);
        // In percent of all workers; half of a busy one, since its next turn comes.
        let free = (2 * sound - busy) * 50 / workers;
        let patience = patience.as_millis().max(1);
        let late = usize::try_from(load.oldest_wait.as_millis().min(patience) * 75 / patience)
            .unwrap_or(75);
        let late = if load.queued == 0 { 0 } else { late };
        let weight = (free * (100 - late) / 100).clamp(1, 100);
        let maxconn = workers + (sound * (100 - late)).div_ceil(100);
        Self::Up {
            weight: u8::try_from(weight).unwrap_or(100),
            maxconn,
        }
    }
}

/// As HAProxy reads it ("agent-check" in its configuration manual): `up` and `ready` take back what
/// `down`, `drain` and `maint` did.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { weight, maxconn } => write!(f, "up ready {weight}% maxconn:{maxconn}"),
            Self::Down(why) => write!(f, "down #{why}"),
            Self::Drain => f.write_str("drain"),
            Self::Maint => f.write_str("maint"),
        }
    }
}
