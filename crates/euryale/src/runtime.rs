//! A runtime with a thread for whatever may block.

#[cfg(test)]
mod tests;

use std::io;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

/// For what blocks and has no bound of ours: resolving names, `tokio::fs`, libraries.
const SPARE: usize = 16;

/// How many blocking threads each part of a stack may want at a time.
///
/// All parts share the runtime's blocking threads, and tokio starts what it is given in the order
/// in which it came. So when there are fewer threads than all bounds together, uploads could keep
/// publishers waiting although a connection is free, or the other way round.
///
/// ```
/// use euryale::BlockingThreads;
///
/// let threads = BlockingThreads::new().publishers(8).cpu(2);
/// let others = "and those for files, bodies, promises, deferred responses and transforms";
/// assert_eq!(threads.sum(), 8 + 32 + 4 + 8 + 128 + 64 + 2, "{others}");
/// let runtime = euryale::runtime(&threads)?;
/// # drop(runtime);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BlockingThreads {
    publishers: usize,
    files: usize,
    spool: usize,
    deferred: usize,
    writers: usize,
    cpu: usize,
    promises: usize,
    application: usize,
}

impl BlockingThreads {
    /// 2 publishers, 32 threads that read files, 4 that write request bodies, 8 for promises that
    /// block, 128 that compute deferred responses, 64 that write bodies, and one for each core that
    /// transforms pages: what a pool and the layers have by default.
    pub fn new() -> Self {
        Self {
            publishers: 2,
            files: 32,
            spool: 4,
            promises: 8,
            deferred: 128,
            writers: 64,
            cpu: available_parallelism().map_or(1, usize::from),
            application: 0,
        }
    }

    /// The cap of the pool, the greatest that it is resized to. Several pools: all caps together.
    /// Default: 2.
    pub fn publishers(mut self, cap: usize) -> Self {
        self.publishers = cap;
        self
    }

    /// As [`ServeBlobLayer::readers`](crate::blob::ServeBlobLayer::readers), of all such layers
    /// together. Default: 32.
    pub fn files(mut self, readers: usize) -> Self {
        self.files = readers;
        self
    }

    /// As [`SpoolLayer::writers`](crate::spool::SpoolLayer::writers). Default: 4.
    pub fn spool(mut self, writers: usize) -> Self {
        self.spool = writers;
        self
    }

    /// As [`DeferredLayer::blocking`](crate::deferred::DeferredLayer::blocking). Default: 128.
    pub fn deferred(mut self, threads: usize) -> Self {
        self.deferred = threads;
        self
    }

    /// As [`DeferredLayer::writers`](crate::deferred::DeferredLayer::writers). Default: 64.
    pub fn writers(mut self, threads: usize) -> Self {
        self.writers = threads;
        self
    }

    /// As [`BlockingLane::cpu`](crate::BlockingLane::cpu) and
    /// [`TransformChainLayer::threads`](crate::transform::TransformChainLayer::threads), all
    /// together. Default: as many as there are cores, like one chain of transforms.
    pub fn cpu(mut self, threads: usize) -> Self {
        self.cpu = threads;
        self
    }

    /// As [`RepublishLayer::threads`](crate::promise::RepublishLayer::threads). Default: 8.
    pub fn promises(mut self, threads: usize) -> Self {
        self.promises = threads;
        self
    }

    /// What the application itself runs in `spawn_blocking` at a time. Default: 0; there are always
    /// 16 to spare.
    pub fn application(mut self, threads: usize) -> Self {
        self.application = threads;
        self
    }

    /// All of them.
    pub fn sum(&self) -> usize {
        let before = self.publishers + self.files + self.spool + self.promises;
        before + self.deferred + self.writers + self.cpu + self.application
    }
}

impl Default for BlockingThreads {
    fn default() -> Self {
        Self::new()
    }
}

/// A runtime of tokio's with several threads, timers and sockets, in which `threads` may block at a
/// time, and 16 more.
///
/// End it with [`shutdown_timeout`](Runtime::shutdown_timeout): dropped, it waits for a publisher
/// that never returns. `#[tokio::main]` makes a runtime with 512 blocking threads and drops it; for
/// a `Stack` there, see [`Stack::blocking_threads`](crate::Stack::blocking_threads).
///
/// # Errors
/// When the system refuses threads.
pub fn runtime(threads: &BlockingThreads) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(threads.sum() + SPARE)
        .build()
}
