//! The counters of `sendfile(2)`.

use std::sync::Arc;

use euryale_core::Ledger;
use euryale_core::ledger::{Book, Counter, Figures, Gauge, Unsettled};

#[cfg(target_os = "linux")]
use crate::linux::{PLACES, Places};

/// Counters of files that are sent by `sendfile(2)`. All stay zero on systems without it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SendfileBook {
    /// Blobs that were sent by `sendfile(2)`, or are small and were read from memory instead.
    pub blobs: Counter,
    /// Bytes that `sendfile(2)` passed to the socket, and those of small blobs.
    pub bytes: Counter,
    /// Bytes that were read and written instead, because a file cannot be sent by `sendfile(2)`.
    pub copied: Counter,
    /// Sockets for which the kernel may hold more than 256 KiB that is not sent yet.
    pub large_buffers: Gauge,
}

/// The ledger in which sockets count the files that they send, with its [`SendfileBook`]. A
/// listener has one, and its sockets have clones.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is sent that would be counted")
)]
pub struct SendfileCounts {
    pub(crate) ledger: Ledger,
    pub(crate) book: Arc<SendfileBook>,
    #[cfg(target_os = "linux")]
    pub(crate) places: Places,
}

impl SendfileCounts {
    /// Counts in this ledger, and declares the threads that read files in it.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        let book = ledger.of();
        crate::declare_threads(&ledger);
        Self {
            #[cfg(target_os = "linux")]
            places: Places::new(PLACES, Arc::clone(&book)),
            ledger,
            book,
        }
    }
}

impl Book for SendfileBook {
    fn figures(&self, figures: &mut Figures) {
        let blobs = [("sendfile", &self.blobs)];
        figures.counters("euryale_blobs_total", "Open files sent.", "path", blobs);
        let bytes = [("sendfile", &self.bytes), ("read", &self.copied)];
        figures.counters(
            "euryale_blob_bytes_total",
            "Bytes sent of open files.",
            "path",
            bytes,
        );
        figures.peaked(
            "euryale_large_send_buffers",
            "Sockets for which the kernel may hold more than 256 KiB that is not sent yet.",
            &self.large_buffers,
        );
    }

    fn unsettled(&self, unsettled: &mut Unsettled) {
        unsettled.gauge("large send buffers", &self.large_buffers);
    }
}
