//! The counters of the layers.

use euryale_core::ledger::{Book, Counter, Figures};

/// Open files by the path on which they are sent. A blob of which nothing is sent (304, HEAD) is
/// not counted; the server counts those that it sends by `sendfile(2)`.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BlobBook {
    /// Blobs read by [`ServeBlob`](crate::ServeBlob).
    pub read: Counter,
    /// Blobs left to a reverse proxy.
    pub offload: Counter,
    /// Bytes read by [`ServeBlob`](crate::ServeBlob).
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
