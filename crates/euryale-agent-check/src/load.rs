//! The load of a node, and the answer that follows from it.

use std::fmt;
use std::time::Duration;

use euryale_core::pool::{Holder, Status};

use crate::full::BUSY_FOR;

/// The load of a node at one moment; [`Load::of`] a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whether the node accepts requests.
    pub standing: Standing,
    /// Workers, and so publications at a time.
    pub workers: usize,
    /// How many of them work.
    pub busy: usize,
    /// How many of those count as stuck, because they have run for longer than any publication
    /// should.
    pub stuck: usize,
    /// How long ago a worker last took a request: the age of the youngest publication.
    pub last_taken: Duration,
    /// Requests that wait for a worker.
    pub queued: usize,
    /// How long the oldest of them has waited.
    pub oldest_wait: Duration,
    /// The maximum number of requests that the node can hold at a time: those that are published
    /// or wait for a worker, and those that need none, such as downloads, uploads and WebSockets.
    /// A limit of the node that its load does not change, such as the number of its sockets.
    pub capacity: usize,
}

impl Load {
    /// The load of a pool: workers whose job has run for `stuck_after` are taken to be stuck.
    /// Draining when the pool is closed; the capacity is 1, because a pool does not know how many
    /// requests its node can hold.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use euryale_agent_check::{Load, Standing};
    /// use euryale_connection::Pool;
    ///
    /// let pool = Pool::new((), 4);
    /// let load = Load { capacity: 20_000, ..Load::of(&pool.status(), Duration::from_secs(60)) };
    /// assert_eq!((load.standing, load.workers, load.busy), (Standing::Ready, 4, 0));
    /// ```
    #[must_use]
    pub fn of(status: &Status, stuck_after: Duration) -> Self {
        let holders = &status.holders;
        let is_stuck = |holder: &&Holder| holder.age >= stuck_after;
        Self {
            standing: if status.is_closed {
                Standing::Draining
            } else {
                Standing::Ready
            },
            workers: status.cap,
            busy: status.running,
            stuck: holders.iter().filter(is_stuck).count(),
            // The youngest is the last one.
            last_taken: holders.last().map(|holder| holder.age).unwrap_or_default(),
            queued: status.queued,
            oldest_wait: status.oldest_wait.unwrap_or_default(),
            capacity: 1,
        }
    }

    /// Returns whether a request would wait: every worker is busy, and none has become free for
    /// 100 ms, or the oldest request has waited for as long.
    pub(crate) fn is_full(&self) -> bool {
        let is_late = self.queued > 0 && self.oldest_wait >= BUSY_FOR;
        self.busy >= self.workers && (self.last_taken >= BUSY_FOR || is_late)
    }
}

/// Whether the node accepts requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Ready,
    /// Not now: the node is not ready, or lost what it needs.
    Down,
    /// No new ones: it is about to end.
    Draining,
    /// It has been taken out of service on purpose, and its checks should not raise an alarm.
    Maintenance,
}

/// The answer to a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Takes requests: a share in percent of what a free node takes, and a maximum number at a
    /// time.
    Up {
        /// 1 to 100.
        weight: u8,
        /// At least 1.
        maxconn: usize,
    },
    /// Takes none, and needs attention.
    Down(&'static str),
    /// Takes no new ones.
    Drain,
    /// Is not there, on purpose.
    Maint,
}

impl Answer {
    /// The answer for `load`.
    ///
    /// * **weight**: 1 if the node is full: every worker is busy, and none has become free for
    ///   100 ms, or the oldest request has waited for that long. Otherwise the share of workers
    ///   that are not stuck, less half of the share that is busy. When requests wait although the
    ///   node is not full, less up to three quarters of that: all three when the oldest has waited
    ///   for `patience`.
    /// * **maxconn**: [`Load::capacity`], whatever the load is.
    ///
    /// If every worker is stuck, the node is down. Requests that hold no worker, such as downloads,
    /// uploads and those that wait for promises, do not change the answer: a node that streams a
    /// hundred files is as free as one that streams none.
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
        let maxconn = load.capacity.max(1);
        if load.is_full() {
            return Self::Up { weight: 1, maxconn };
        }
        let busy = load.busy.saturating_sub(load.stuck).min(sound);
        // In percent of all workers; half of a busy one, since its next turn comes.
        let free = (2 * sound - busy) * 50 / workers;
        let patience = patience.as_millis().max(1);
        let late = usize::try_from(load.oldest_wait.as_millis().min(patience) * 75 / patience)
            .unwrap_or(75);
        let late = if load.queued == 0 { 0 } else { late };
        let weight = (free * (100 - late) / 100).clamp(1, 100);
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
