//! The counters of the layer.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

/// Counters of request bodies, kept by [`Spool`](crate::Spool) and its budget.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SpoolBook {
    /// The current number of files, including those that are still being written.
    pub files: Gauge,
    /// The current number of bytes in bodies, in memory and in files.
    pub bytes: Gauge,
    /// The memory that is charged to the budget now, in bytes: the capacity of buffers, and the
    /// fields of forms.
    pub memory: Gauge,
    /// The bytes in files that are charged to the budget now.
    pub file_bytes: Gauge,
    /// Small bodies that were written to a file because the budget had no memory left.
    pub spilled: Counter,
    /// Requests that were refused because the budget had no room left.
    pub refused: Counter,
}

impl Book for SpoolBook {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge(
            "euryale_spool_files",
            "Request bodies in files.",
            &self.files,
        );
        figures.gauge(
            "euryale_spool_bytes",
            "Bytes of request bodies held.",
            &self.bytes,
        );
        figures.peaked(
            "euryale_spool_memory_bytes",
            "Memory that request bodies and forms are charged.",
            &self.memory,
        );
        figures.gauge(
            "euryale_spool_file_bytes",
            "Bytes of request bodies in files.",
            &self.file_bytes,
        );
        figures.counter(
            "euryale_spool_spilled_total",
            "Small request bodies in files because there was no memory for them.",
            &self.spilled,
        );
        figures.counter(
            "euryale_spool_refused_total",
            "Requests refused because their bodies had no room.",
            &self.refused,
        );
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("spool files", &self.files);
        unsettled.gauge("spool bytes", &self.bytes);
        unsettled.gauge("spool memory", &self.memory);
        unsettled.gauge("spool file bytes", &self.file_bytes);
    }
}
