//! The counters of the crate.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

/// Counters of answers that are kept until their clients have read them, kept by the
/// [budget](crate::AnswerBudget).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct WsgiBook {
    /// The memory that is charged to the budget now, in bytes.
    pub memory: Gauge,
    /// The current number of files, including those that are still being written.
    pub files: Gauge,
    /// The bytes in files that are charged to the budget now.
    pub file_bytes: Gauge,
    /// Answers that went to a file, or went there sooner, because the budget had no memory left.
    pub spilled: Counter,
    /// Answers that were given up because the budget had no room.
    pub refused: Counter,
    /// Iterables that were closed before their end because their client had disconnected.
    pub abandoned: Counter,
}

impl Book for WsgiBook {
    fn figures(&self, figures: &mut Figures) {
        figures.peaked(
            "euryale_wsgi_memory_bytes",
            "Memory that answers of applications are charged.",
            &self.memory,
        );
        figures.gauge(
            "euryale_wsgi_files",
            "Answers of applications in files.",
            &self.files,
        );
        figures.peaked(
            "euryale_wsgi_file_bytes",
            "Bytes of answers of applications in files.",
            &self.file_bytes,
        );
        figures.counter(
            "euryale_wsgi_spilled_total",
            "Answers in files because there was no memory for them.",
            &self.spilled,
        );
        figures.counter(
            "euryale_wsgi_refused_total",
            "Answers given up because there was no room for them.",
            &self.refused,
        );
        figures.counter(
            "euryale_wsgi_abandoned_total",
            "Iterables closed before their end because their client had disconnected.",
            &self.abandoned,
        );
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("wsgi memory", &self.memory);
        unsettled.gauge("wsgi files", &self.files);
        unsettled.gauge("wsgi file bytes", &self.file_bytes);
    }
}
