//! Core's own counters.

use super::{
    Book, Counter, Figures, Gauge, Kind, LaneMeter, Lanes, Stops, Threads, Unsettled, Value,
};

/// Core's own counters, by part. Every ledger has them, without [`of`](super::Ledger::of).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Books {
    /// Counters of database transactions.
    pub transactions: Transactions,
    /// Counters of snapshots for later passes.
    pub snapshots: Snapshots,
    /// Counters of tasks that committed transactions have spawned.
    pub tasks: Tasks,
    /// Counters of blocking lanes, by name.
    pub lanes: Lanes,
    /// The numbers of blocking threads that all parts may take. They are not exported.
    pub threads: Threads,
    /// Counters of open files that are being sent to clients.
    pub blobs: Blobs,
    /// Answers that leave before their transaction has ended.
    pub early_answers: EarlyFigures,
    /// Descriptors of files that requests have open.
    pub descriptors: InUse,
}

/// Counters of database transactions. Publications that never use the database are only counted as
/// attempts.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Transactions {
    /// Publications, first ones and repeated ones.
    pub attempts: Counter,
    /// Transactions that have begun.
    pub begun: Counter,
    /// Transactions that were committed.
    pub committed: Counter,
    /// Transactions that were rolled back.
    pub aborted: Counter,
    /// Transactions that ended with an unknown outcome.
    pub in_doubt: Counter,
    /// Commits whose answer was lost and that turned out to be committed. They are included in the
    /// committed ones.
    pub settled_committed: Counter,
    /// Commits whose answer was lost and that will never happen. They are included in the aborted
    /// ones.
    pub settled_aborted: Counter,
    /// Transactions that were stopped before their commit, whether they had begun or not. Those
    /// that had begun are included in the aborted ones.
    pub stopped: Stops,
    /// Participants that failed after the commit.
    pub finish_failures: Counter,
    /// Hooks that panicked after the end of their transaction.
    pub hook_failures: Counter,
}

/// Counters of passes that should see the snapshot of the first pass.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Snapshots {
    /// Passes that saw it.
    pub pinned: Counter,
    /// Passes that could not, because the snapshot is gone.
    pub gone: Counter,
    /// Passes that could not, because the database has no such snapshots.
    pub unsupported: Counter,
}

/// Counters of tasks that committed transactions have spawned.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Tasks {
    /// Tasks that are running now.
    pub running: Gauge,
    /// Tasks that were spawned.
    pub spawned: Counter,
    /// Tasks that panicked.
    pub panic: Counter,
}

/// Counters of open files that are being sent to clients.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Blobs {
    /// Files that are open now, counted from the moment when they leave the worker.
    pub open: Gauge,
}

/// Answers that leave before their transaction has ended
/// ([`EarlyAnswer`](crate::body::EarlyAnswer)).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct EarlyFigures {
    /// Those whose body is being sent, or written, now.
    pub sending: Gauge,
    /// All that have begun.
    pub begun: Counter,
    /// Those that broke off because their job failed. Clients that disconnected do not count.
    pub broken: Counter,
    /// Files now that keep what clients have not read yet.
    pub files: Gauge,
    /// Bytes that these files may have.
    pub file_bytes: Gauge,
}

/// Descriptors of files that requests have open, from a budget of
/// [`Descriptors`](crate::body::Descriptors).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct InUse {
    /// The size of the budget.
    pub cap: Gauge,
    /// Descriptors that are in use now.
    pub in_use: Gauge,
    /// Refusals because the budget had too few descriptors left.
    pub refused: Counter,
}

impl Book for Books {
    fn figures(&self, figures: &mut Figures) {
        self.transactions.figures(figures);
        let snapshots = [
            ("pinned", &self.snapshots.pinned),
            ("gone", &self.snapshots.gone),
            ("unsupported", &self.snapshots.unsupported),
        ];
        figures.counters(
            "euryale_promise_snapshots_total",
            "Passes that were to see the snapshot of the first one.",
            "outcome",
            snapshots,
        );
        self.tasks.figures(figures);
        lanes(&self.lanes, figures);
        figures.gauge(
            "euryale_blobs_open",
            "Open files on their way to clients.",
            &self.blobs.open,
        );
        self.early_answers.figures(figures);
        self.descriptors.figures(figures);
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("tasks running", &self.tasks.running);
        unsettled.gauge("blobs open", &self.blobs.open);
        unsettled.gauge("early answers sending", &self.early_answers.sending);
        unsettled.gauge("early answers' files", &self.early_answers.files);
        unsettled.gauge("early answers' file bytes", &self.early_answers.file_bytes);
        unsettled.gauge("descriptors in use", &self.descriptors.in_use);
        for (name, lane) in self.lanes.all() {
            let held = lane.running.get() + lane.waiting.get();
            if held != 0 {
                unsettled.line(format_args!("lane {name}: {held}"));
            }
        }
        let begun = self.transactions.begun.get();
        let ended = self.transactions.ended();
        if begun != ended {
            unsettled.line(format_args!("transactions: begun {begun}, ended {ended}"));
        }
    }
}

impl Transactions {
    fn ended(&self) -> u64 {
        self.committed.get() + self.aborted.get() + self.in_doubt.get()
    }

    fn figures(&self, figures: &mut Figures) {
        for (name, help, counter) in [
            (
                "euryale_attempts_total",
                "Publications, repeated ones included.",
                &self.attempts,
            ),
            (
                "euryale_transactions_begun_total",
                "Transactions begun.",
                &self.begun,
            ),
            (
                "euryale_transactions_committed_total",
                "Transactions committed.",
                &self.committed,
            ),
            (
                "euryale_transactions_aborted_total",
                "Transactions aborted.",
                &self.aborted,
            ),
            (
                "euryale_transactions_in_doubt_total",
                "Commits of unknown outcome.",
                &self.in_doubt,
            ),
            (
                "euryale_finish_failures_total",
                "Participants that failed after a commit.",
                &self.finish_failures,
            ),
            (
                "euryale_hook_failures_total",
                "After hooks that panicked.",
                &self.hook_failures,
            ),
        ] {
            figures.counter(name, help, counter);
        }
        let settled = [
            ("committed", &self.settled_committed),
            ("aborted", &self.settled_aborted),
        ];
        figures.counters(
            "euryale_transactions_settled_total",
            "Commits whose answer was lost, by what the database says of them.",
            "outcome",
            settled,
        );
        let stopped = [
            ("deadline", &self.stopped.deadline),
            ("client_gone", &self.stopped.client_gone),
            ("drain", &self.stopped.drain),
            ("statement", &self.stopped.statement),
        ];
        figures.counters(
            "euryale_transactions_stopped_total",
            "Transactions stopped before their commit.",
            "reason",
            stopped,
        );
    }
}

impl Tasks {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge(
            "euryale_tasks_running",
            "Tasks of committed transactions.",
            &self.running,
        );
        figures.counter(
            "euryale_tasks_spawned_total",
            "Tasks spawned after a commit.",
            &self.spawned,
        );
        figures.counter(
            "euryale_tasks_panicked_total",
            "Tasks that panicked.",
            &self.panic,
        );
    }
}

impl EarlyFigures {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge(
            "euryale_early_answers_sending",
            "Answers that left before their transaction ended, on their way to clients.",
            &self.sending,
        );
        figures.counter(
            "euryale_early_answers_total",
            "Answers that left before their transaction ended.",
            &self.begun,
        );
        figures.counter(
            "euryale_early_answers_broken_total",
            "Answers that broke off because their job failed after the first block.",
            &self.broken,
        );
        figures.gauge(
            "euryale_early_answers_files",
            "Files that keep what clients of early answers have not read yet.",
            &self.files,
        );
        figures.peaked(
            "euryale_early_answers_file_bytes",
            "Bytes of these files.",
            &self.file_bytes,
        );
    }
}

impl InUse {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge(
            "euryale_descriptors_cap",
            "Descriptors that files of requests may have; 0 if nothing bounds them.",
            &self.cap,
        );
        figures.peaked(
            "euryale_descriptors_in_use",
            "Descriptors of files that requests have open.",
            &self.in_use,
        );
        figures.counter(
            "euryale_descriptors_refused_total",
            "Files that were not opened for want of a descriptor in the budget.",
            &self.refused,
        );
    }
}

fn lanes(lanes: &Lanes, figures: &mut Figures) {
    let lanes = lanes.all();
    let write = |mut family: super::Family<'_>, value: fn(&LaneMeter) -> Value| {
        for (lane, meter) in &lanes {
            family.series(&[("lane", lane)], value(meter));
        }
    };
    let running = "euryale_lane_running";
    let help = "Turns of blocking lanes that are held.";
    write(figures.family(running, help, Kind::Gauge), |meter| {
        (&meter.running).into()
    });
    write(figures.peaks(running), |meter| meter.running.peak().into());
    let waiting = "euryale_lane_waiting";
    let help = "Work that waits for a turn in a blocking lane.";
    write(figures.family(waiting, help, Kind::Gauge), |meter| {
        (&meter.waiting).into()
    });
    let refused = "euryale_lane_refused_total";
    let help = "Work that a blocking lane had no room for.";
    write(figures.family(refused, help, Kind::Counter), |meter| {
        (&meter.refused).into()
    });
}
