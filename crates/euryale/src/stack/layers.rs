//! The layers of a stack that have blocking threads.

use euryale_blob::{OffloadLayer, ServeBlobLayer};
use euryale_core::Ledger;
use euryale_deferred::DeferredLayer;
use euryale_promise::RepublishLayer;
use euryale_spool::SpoolLayer;

/// The layers of a [`Stack`](crate::Stack) that have blocking threads, for programs that build
/// their stack only once they run, or more than once.
///
/// Create them before the [runtime](crate::runtime()), so that they declare their threads in time.
/// Clones share their limits: a program that builds another stack for new settings never uses more
/// threads than it declared, even while requests of the old stack are still running.
///
/// ```
/// use euryale::connection::BlockingThreads;
/// use euryale::{Body, Ledger, Pool, Response, Stack, StackLayers};
///
/// let ledger = Ledger::new();
/// let layers = StackLayers::new(&ledger);
/// let threads = BlockingThreads::new(64, &ledger); // the greatest cap that a reload may set
/// let runtime = euryale::runtime(&ledger)?;
///
/// runtime.block_on(async {
///     let pool = Pool::builder(()).threads(threads).ledger(ledger.clone()).build();
///     let build = |limit| {
///         let mut layers = layers.clone();
///         layers.spool = layers.spool.limit(limit);
///         let stack = Stack::with_layers(pool.clone(), layers);
///         stack.publish(|_, _| Ok(Response::new(Body::from("hello"))))
///     };
///     let sum = ledger.threads.sum();
///     let before = build(1 << 20);
///     let after = build(4 << 20);
///     assert_eq!(ledger.threads.sum(), sum);
/// #   drop((before, after));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct StackLayers {
    /// Promises.
    pub republish: RepublishLayer,
    /// Request bodies.
    pub spool: SpoolLayer,
    /// Files.
    pub blobs: ServeBlobLayer,
    /// Files that a reverse proxy sends, just inside `ServeBlob`. Default: `None`.
    pub offload: Option<OffloadLayer>,
    /// Deferred responses, and bodies that synchronous code writes.
    pub deferred: DeferredLayer,
}

impl StackLayers {
    /// Creates layers with default settings that count in `ledger`, which must be the ledger of the
    /// stacks' pools.
    pub fn new(ledger: &Ledger) -> Self {
        Self::uncounted().ledger(ledger)
    }

    pub(super) fn uncounted() -> Self {
        Self {
            republish: RepublishLayer::new(),
            spool: SpoolLayer::new(),
            blobs: ServeBlobLayer::new(),
            offload: None,
            deferred: DeferredLayer::new(),
        }
    }

    pub(super) fn ledger(self, ledger: &Ledger) -> Self {
        Self {
            republish: self.republish.ledger(ledger.clone()),
            spool: self.spool.ledger(ledger.clone()),
            blobs: self.blobs.ledger(ledger.clone()),
            offload: self.offload.map(|layer| layer.ledger(ledger.clone())),
            deferred: self.deferred.ledger(ledger.clone()),
        }
    }
}
