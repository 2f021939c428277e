//! The counters of the layers.

use euryale_core::ledger::{Book, Counter, Figures};

/// Counters of sent blobs. A response without a body (304, or an answer to HEAD) is not counted.
/// Blobs that are sent by `sendfile(2)` are counted by the server.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BlobBook {
    /// Blobs that [`ServeBlob`](crate::ServeBlob) read.
    pub read: Counter,
    /// Blobs that were left to a reverse proxy.
    pub offload: Counter,
    /// Bytes that [`ServeBlob`](crate::ServeBlob) read.
    pub read_bytes: Counter,
}

impl Book for BlobBook {
    fn figures(&self, figures: &mut Figures) {
        let paths = [("read", &self.read), ("offload", &self.offload)];
        figures.counters("euryale_blobs_total", "Open files sent.", "path", paths);
        let bytes = [("read", &self.read_bytes)];
        figures.counters(
            "euryale_blob_bytes_total",
            "Bytes sent of open files.",
            "path",
            bytes,
        );
    }
}
