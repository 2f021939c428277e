//! The load of a node, and the answer that follows from it.

use std::fmt;
use std::time::Duration;

use euryale_core::pool::{Holder, Status};
use serde_json::{Value as Json, json};

use crate::full::BUSY_FOR;

/// The load of a node at one moment; [`Load::of`] a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whether the node accepts requests.
    pub standing: Standing,
    /// The number of workers, which is the maximum number of publications at a time.
    pub workers: usize,
    /// The number of busy workers.
    pub busy: usize,
    /// The number of busy workers that count as stuck, because their publication has run for longer
    /// than any should.
    pub stuck: usize,
    /// The time since a worker last took a request: the age of the youngest publication.
    pub last_taken: Duration,
    /// The number of requests that wait for a worker.
    pub queued: usize,
    /// The time that the oldest waiting request has waited.
    pub oldest_wait: Duration,
    /// The maximum number of requests that the node can hold at a time: those that are published or
    /// wait for a worker, and those that need no worker, such as downloads, uploads and WebSockets.
    /// This is a fixed limit of the node, such as its number of sockets, and does not depend on its
    /// load.
    pub capacity: usize,
}

impl Load {
    /// Returns the load of a pool. Workers whose job has run for `stuck_after` count as stuck. The
    /// node is draining if the pool is closed. The capacity is 1, because a pool cannot tell how
    /// many requests its node can hold.
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
            // Holders are sorted by age, the youngest last.
            last_taken: holders.last().map(|holder| holder.age).unwrap_or_default(),
            queued: status.queued,
            oldest_wait: status.oldest_wait.unwrap_or_default(),
            capacity: 1,
        }
    }

    /// Returns the load as a line of JSON, from which another process of the same host
    /// [adds it up](Self::of_processes).
    #[must_use]
    pub fn report(&self) -> String {
        let standing = match self.standing {
            Standing::Ready => "ready",
            Standing::Draining => "draining",
            Standing::Down | Standing::Maintenance => "down",
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let report = json!({
            "standing": standing,
            "workers": self.workers,
            "busy": self.busy,
            "stuck": self.stuck,
            "last_taken_ms": millis(self.last_taken),
            "queued": self.queued,
            "oldest_wait_ms": millis(self.oldest_wait),
            "capacity": self.capacity,
        });
        format!("{report}\n")
    }

    /// Returns the load of `number` processes that share the addresses of a host, from their
    /// [reports](Self::report). A process without a report counts as having only stuck workers. The
    /// host is down if no process is ready.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use euryale_agent_check::{Answer, Load};
    /// use euryale_connection::Pool;
    ///
    /// let pool = Pool::new((), 4);
    /// let one = Load { capacity: 100, ..Load::of(&pool.status(), Duration::from_secs(60)) };
    /// let both = Load::of_processes([one.report()], 2);
    /// assert_eq!((both.workers, both.stuck, both.capacity), (8, 4, 100));
    /// let answer = Answer::of(&both, Duration::from_secs(2));
    /// assert_eq!(answer.to_string(), "up ready 50% maxconn:100");
    /// ```
    #[must_use]
    pub fn of_processes(reports: impl IntoIterator<Item: AsRef<str>>, number: usize) -> Self {
        let reports: Vec<Json> = reports
            .into_iter()
            .filter_map(|report| serde_json::from_str(report.as_ref()).ok())
            .collect();
        let ready = || {
            reports
                .iter()
                .filter(|report| report["standing"] == "ready")
        };
        let each =
            |key: &'static str| ready().map(move |report| report[key].as_u64().unwrap_or_default());
        let count = |key| usize::try_from(each(key).sum::<u64>()).unwrap_or(usize::MAX);
        let time = |millis: Option<u64>| Duration::from_millis(millis.unwrap_or_default());
        let serving = ready().count();
        let workers = count("workers");
        let missing = (workers * number.saturating_sub(serving)).checked_div(serving);
        let missing = missing.unwrap_or_default();
        Self {
            standing: if serving == 0 {
                Standing::Down
            } else {
                Standing::Ready
            },
            workers: workers + missing,
            busy: count("busy") + missing,
            stuck: count("stuck") + missing,
            last_taken: time(each("last_taken_ms").min()),
            queued: count("queued"),
            oldest_wait: time(each("oldest_wait_ms").max()),
            capacity: count("capacity"),
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
    /// The node accepts requests.
    Ready,
    /// The node is not ready yet, or has lost something that it needs.
    Down,
    /// The node is about to end, and accepts no new requests.
    Draining,
    /// The node was taken out of service on purpose, and its checks should not raise an alarm.
    Maintenance,
}

/// The answer to a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The node takes requests.
    Up {
        /// The share of requests, in percent of what an idle node takes: 1 to 100.
        weight: u8,
        /// The maximum number of requests at a time; at least 1.
        maxconn: usize,
    },
    /// The node takes no requests and needs attention, for this reason.
    Down(&'static str),
    /// The node takes no new requests.
    Drain,
    /// The node is out of service on purpose.
    Maint,
}

impl Answer {
    /// Returns the answer for `load`.
    ///
    /// * **weight**: 1 if the node is full: every worker is busy, and none has become free for 100
    ///   ms, or the oldest request has waited for that long. Otherwise it is the share of workers
    ///   that are not stuck, minus half of the share that is busy. If requests wait although the
    ///   node is not full, it is reduced by up to three quarters, which is reached when the oldest
    ///   request has waited for `patience`.
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
        // In percent of all workers. A busy worker counts half, because it will be free again soon.
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

/// Writes the answer as HAProxy reads it ("agent-check" in its configuration manual): `up` and
/// `ready` revoke `down`, `drain` and `maint`.
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
