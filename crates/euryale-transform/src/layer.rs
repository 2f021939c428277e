//! Settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use tower_layer::Layer;

use crate::chain::Chain;
use crate::transform::Kind;
use crate::{Cpu, EditHead, Rewrite, TransformChain, TransformPage};

/// Transforms responses. See the [crate's documentation](crate).
#[derive(Clone)]
#[must_use]
pub struct TransformChainLayer {
    transforms: Vec<Kind>,
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) cpu: Cpu,
    pub(crate) body_limit: usize,
    pub(crate) deadline: Duration,
    pub(crate) ledger: Ledger,
}

impl TransformChainLayer {
    /// No transform yet. Whole pages of up to 4 MiB, 10 s for each, as many threads for the CPU as there are cores.
    pub fn new() -> Self {
        let ledger = Ledger::new();
        let settings = Settings {
            cpu: Cpu::new(ledger.clone()),
            body_limit: 4 << 20,
            deadline: Duration::from_secs(10),
            ledger,
        };
        Self { transforms: Vec::new(), settings }
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

    fn with(mut self, transform: Kind) -> Self {
        self.transforms.push(transform);
        self
    }

    /// How large a page may be that is transformed as a whole, in bytes; a larger one is sent as it is. Default: 4 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// How long one transform of a whole page may take, its wait for a thread included. Default: 10 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// How many threads compute at a time; at least 1. Default: as many as there are cores.
    pub fn cpu_threads(mut self, threads: usize) -> Self {
        self.settings.cpu = self.settings.cpu.threads(threads);
        self
    }

    /// How many may wait for one of these threads; a transform that finds more fails. Default: 1024.
    pub fn max_queue(mut self, most: usize) -> Self {
        self.settings.cpu = self.settings.cpu.max_queue(most);
        self
    }

    /// How many blocking threads it may want at a time.
    #[must_use]
    pub fn blocking_threads(&self) -> usize {
        self.settings.cpu.thread_count()
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.cpu = self.settings.cpu.ledger(ledger.clone());
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
        TransformChain::new(inner, Arc::new(Chain::new(self.transforms.clone(), self.settings.clone())))
    }
}

impl fmt::Debug for TransformChainLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.transforms.iter().map(|kind| kind.transform().name()).collect();
        f.debug_struct("TransformChainLayer").field("transforms", &names).finish_non_exhaustive()
    }
}
