//! The counters of tasks.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Histogram, Unsettled};

/// Counters of the tasks of this process.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TaskBook {
    /// Tasks that run now: they wait for a worker or have one.
    pub running: Gauge,
    /// Tasks that wait for promises now.
    pub suspended: Gauge,
    /// Tasks that were added by transactions that committed.
    pub added: Counter,
    /// Tasks that this process has taken.
    pub taken: Counter,
    /// Runs whose acknowledgement was committed, including each step.
    pub done: Counter,
    /// Runs that failed and will be tried again.
    pub failed: Counter,
    /// Tasks that failed for the last time.
    pub dead: Counter,
    /// Runs whose acknowledgement was refused, because the task was no longer held.
    pub fenced: Counter,
    /// Tasks that were given back because their run had not begun.
    pub given_back: Counter,
    /// Tasks that were rescued from a process that had ended, or from an expired hold.
    pub rescued: Counter,
    /// From the time at which a task is due to the time at which a process takes it.
    pub waits: Histogram,
    /// From the time at which a task is taken to the end of its run.
    pub runs: Histogram,
}

impl Book for TaskBook {
    fn figures(&self, figures: &mut Figures) {
        figures.peaked("euryale_task_runs", "Tasks that run.", &self.running);
        figures.gauge(
            "euryale_task_runs_suspended",
            "Tasks that wait for promises.",
            &self.suspended,
        );
        figures.counter(
            "euryale_task_added_total",
            "Tasks that committed transactions have added.",
            &self.added,
        );
        figures.counter("euryale_task_taken_total", "Tasks taken.", &self.taken);
        let outcomes = [
            ("done", &self.done),
            ("failed", &self.failed),
            ("dead", &self.dead),
            ("fenced", &self.fenced),
            ("given_back", &self.given_back),
        ];
        figures.counters(
            "euryale_task_runs_total",
            "Runs of tasks that ended.",
            "outcome",
            outcomes,
        );
        figures.counter(
            "euryale_task_rescued_total",
            "Tasks rescued from processes that had ended, or from expired holds.",
            &self.rescued,
        );
        figures.histogram(
            "euryale_task_wait_seconds",
            "From when a task is due to when it is taken.",
            &self.waits,
        );
        figures.histogram(
            "euryale_task_run_seconds",
            "From when a task is taken to the end of its run.",
            &self.runs,
        );
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("tasks running", &self.running);
        unsettled.gauge("tasks suspended", &self.suspended);
    }
}
