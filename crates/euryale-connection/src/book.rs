//! The counters of a pool.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Histogram, Kind, Unsettled};
use euryale_core::transaction::DropReason;

/// Counters of a [`Pool`](crate::Pool): its connections, its workers, and its queue.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PoolBook {
    /// The connections of the pool.
    pub connections: Connections,
    /// Jobs that run in workers.
    pub publishers: Publishers,
    /// Attempts that should run alone.
    pub exclusive: Exclusive,
    /// The queue in front of the connections.
    pub queue: Queue,
}

/// The connections of the pool.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Connections {
    /// The maximum number of connections.
    pub cap: Gauge,
    /// Connections that a worker holds.
    pub in_use: Gauge,
    /// Open connections that wait for work.
    pub idle: Gauge,
    /// Connections that were opened since the start.
    pub opened: Counter,
    /// Connections that were dropped, by reason.
    pub dropped: Dropped,
}

/// Connections that were dropped, by reason.
#[derive(Debug, Default)]
pub struct Dropped {
    counters: [Counter; DropReason::ALL.len()],
}

impl Dropped {
    /// Counts `n` connections.
    pub fn add(&self, reason: DropReason, n: u64) {
        self.counters[reason as usize].add(n);
    }

    /// Returns the number of connections that were dropped for this reason.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.counters[reason as usize].get()
    }
}

/// Jobs that run in workers.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Publishers {
    /// Jobs that are running now.
    pub running: Gauge,
    /// The time from a job's start in its worker to its end, in seconds.
    pub seconds: Histogram,
}

/// [Exclusive](euryale_core::transaction::ConflictRule::exclusive) attempts.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Exclusive {
    /// No other job ran or began beside them.
    pub alone: Counter,
    /// Another job did, because one of them took too long, or its deadline passed while it waited.
    pub not_alone: Counter,
}

impl Exclusive {
    pub(crate) fn count(&self, is_alone: bool) {
        if is_alone {
            self.alone.add(1);
        } else {
            self.not_alone.add(1);
            tracing::warn!("another job ran beside an exclusive attempt: a wait was too long");
        }
    }

    fn figures(&self, figures: &mut Figures) {
        let outcomes = [("alone", &self.alone), ("not_alone", &self.not_alone)];
        figures.counters(
            "euryale_exclusive_jobs_total",
            "Last attempts after conflicts, by whether another job ran beside them.",
            "outcome",
            outcomes,
        );
    }
}

/// The queue in front of the connections.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Queue {
    /// Jobs that are waiting now.
    pub depth: Gauge,
    /// The time for which started jobs had waited, in seconds.
    pub wait_seconds: Histogram,
    /// Jobs that were refused at once because the queue was full.
    pub full: Counter,
    /// Jobs that were refused because they had waited too long.
    pub elapsed: Counter,
    /// Jobs that were removed from the queue because their future was dropped: the client
    /// disconnected, or a deadline outside the pool passed.
    pub gone: Counter,
}

impl Book for PoolBook {
    fn figures(&self, figures: &mut Figures) {
        self.connections.figures(figures);
        figures.peaked(
            "euryale_publishers_running",
            "Jobs running in workers.",
            &self.publishers.running,
        );
        figures.histogram(
            "euryale_publish_seconds",
            "Duration of jobs in their worker.",
            &self.publishers.seconds,
        );
        self.exclusive.figures(figures);
        self.queue.figures(figures);
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("connections in use", &self.connections.in_use);
        unsettled.gauge("publishers running", &self.publishers.running);
        unsettled.gauge("queue depth", &self.queue.depth);
    }
}

impl Connections {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge(
            "euryale_connections_cap",
            "Connections that may be open.",
            &self.cap,
        );
        figures.peaked(
            "euryale_connections_in_use",
            "Connections held by workers.",
            &self.in_use,
        );
        figures.gauge(
            "euryale_connections_idle",
            "Open connections that wait for work.",
            &self.idle,
        );
        figures.counter(
            "euryale_connections_opened_total",
            "Connections opened.",
            &self.opened,
        );
        let mut dropped = figures.family(
            "euryale_connections_dropped_total",
            "Connections dropped.",
            Kind::Counter,
        );
        for reason in DropReason::ALL {
            dropped.series(&[("reason", reason.label())], self.dropped.get(*reason));
        }
    }
}

impl Queue {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge(
            "euryale_queue_depth",
            "Jobs waiting for a worker.",
            &self.depth,
        );
        figures.histogram(
            "euryale_queue_wait_seconds",
            "Wait of the jobs that were started.",
            &self.wait_seconds,
        );
        let rejected = [
            ("full", &self.full),
            ("elapsed", &self.elapsed),
            ("gone", &self.gone),
        ];
        figures.counters(
            "euryale_queue_rejected_total",
            "Jobs that never started.",
            "reason",
            rejected,
        );
    }
}
