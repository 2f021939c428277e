//! The layer.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use euryale_core::threads::BlockingLane;
use euryale_core::{Ledger, Response};
use http::request;
use tower_layer::Layer;

use crate::chain::Chain;
use crate::settings::Settings;
use crate::transform::{Composing, Kind};
use crate::{ComposePage, EditHead, Page, Rewrite, TransformChain, TransformPage};

/// Transforms responses. See the [crate's documentation](crate).
#[derive(Clone)]
#[must_use]
pub struct TransformChainLayer {
    transforms: Vec<Kind>,
    pub(crate) settings: Settings,
}

impl TransformChainLayer {
    /// Creates a chain without transforms. Whole pages may have 4 MiB and take 10 s, and there are
    /// as many CPU threads as cores.
    pub fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            cpu: BlockingLane::new("transforms", cores).max_waiting(1024),
            budget: Duration::from_millis(1),
            trusts_off: Arc::new(|_| false),
            failed: None,
            body_limit: 4 << 20,
            deadline: Duration::from_secs(10),
            ledger: Ledger::new(),
            book: Arc::default(),
            books: Vec::new(),
        };
        Self {
            transforms: Vec::new(),
            settings,
        }
    }

    /// Adds a transform of heads.
    pub fn edit_head(self, transform: impl EditHead) -> Self {
        self.with(Kind::Head(Arc::new(transform)))
    }

    /// Adds a streaming rewrite of HTML.
    pub fn rewrite(self, transform: impl Rewrite) -> Self {
        self.with(Kind::Rewrite(Arc::new(transform)))
    }

    /// Adds a transform of whole pages.
    pub fn transform_page(self, transform: impl TransformPage) -> Self {
        self.with(Kind::Whole(Arc::new(transform)))
    }

    /// Adds a transform that sends a page while it is still composing it.
    pub fn compose_page(self, transform: impl ComposePage) -> Self {
        self.with(Kind::Whole(Arc::new(Composing(transform))))
    }

    fn with(mut self, transform: Kind) -> Self {
        self.transforms.push(transform);
        self
    }

    /// The maximum size in bytes of a page that is transformed as a whole; a larger one is sent
    /// unchanged. Default: 4 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// The maximum time for a transform of a whole page, including its wait for a thread. Default:
    /// 10 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// The maximum time for which a page is rewritten on a runtime thread; the rest is rewritten on
    /// the CPU threads. The first page, and the pages after one that exceeded the budget, are
    /// rewritten entirely on the CPU threads, because it is unknown in advance which pages are
    /// slow. Default: 1 ms. With zero, all pages are rewritten on the CPU threads.
    ///
    /// A handler cannot be interrupted. If one may never return, set the budget to zero, so that it
    /// only blocks a CPU thread.
    pub fn budget(mut self, each: Duration) -> Self {
        self.settings.budget = each;
        self
    }

    /// Accepts the `transform-off` header of trusted requests, such as those of a peer in your
    /// network. The predicate gets the request's extensions. The header's value is `all`, or names
    /// of transforms separated by commas; the header never reaches the inner service. Default: no
    /// request is trusted.
    pub fn trust_off_switch(
        mut self,
        is_trusted: impl Fn(&request::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.trusts_off = Arc::new(is_trusted);
        self
    }

    /// Sets the function that makes the response in place of a page whose critical transform
    /// failed. It must not block. Default: a 500 with a JSON problem (RFC 9457).
    pub fn failed(mut self, answer: impl Fn(&Page) -> Response + Send + Sync + 'static) -> Self {
        self.settings.failed = Some(Arc::new(answer));
        self
    }

    /// Like [`failed`](Self::failed), unless that was set before. Use it in code that composes
    /// layers.
    pub fn or_failed(self, answer: impl Fn(&Page) -> Response + Send + Sync + 'static) -> Self {
        if self.settings.failed.is_some() {
            self
        } else {
            self.failed(answer)
        }
    }

    /// The maximum number of threads that compute at a time; at least 1. The ledger counts them as
    /// the lane `transforms`. Default: the number of cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.cpu = self.settings.cpu.resized(threads);
        self
    }

    /// The maximum number of transforms that wait for one of these threads. Further ones fail.
    /// Default: 1024.
    pub fn max_queue(mut self, most: usize) -> Self {
        self.settings.cpu = self.settings.cpu.max_waiting(most);
        self
    }

    /// Computes in this lane instead of one of the layer's own. Use it for a lane that is resized
    /// later or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.cpu = lane;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.cpu = self.settings.cpu.ledger(ledger.clone());
        self.settings.book = ledger.of();
        self.settings.ledger = ledger;
        self
    }
}

impl Default for TransformChainLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for TransformChainLayer {
    type Service = TransformChain<S>;

    fn layer(&self, inner: S) -> TransformChain<S> {
        TransformChain::new(
            inner,
            Arc::new(Chain::new(self.transforms.clone(), self.settings.clone())),
        )
    }
}

impl fmt::Debug for TransformChainLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .transforms
            .iter()
            .map(|kind| kind.transform().name())
            .collect();
        f.debug_struct("TransformChainLayer")
            .field("transforms", &names)
            .finish_non_exhaustive()
    }
}
