//! Settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::{Admit, Ledger};
use tower_layer::Layer;

use crate::Spool;

/// Takes in whole request bodies. See the [crate's documentation](crate).
#[derive(Clone)]
#[must_use]
pub struct SpoolLayer {
    pub(crate) settings: Settings,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) limit: u64,
    pub(crate) stall: Duration,
    pub(crate) admit: Option<Arc<dyn Admit>>,
    pub(crate) ledger: Ledger,
}

impl SpoolLayer {
    /// Bodies of up to 512 KiB, which may stall for 30 s.
    pub fn new() -> Self {
        let (limit, stall) = (512 << 10, Duration::from_secs(30));
        Self { settings: Settings { limit, stall, admit: None, ledger: Ledger::new() } }
    }

    /// The greatest length of a body, in bytes. What is larger is refused: at once when its length is announced. Default:
    /// 512 KiB.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.settings.limit = bytes;
        self
    }

    /// For how long a body may make no progress. Default: 30 s.
    pub fn stall(mut self, time: Duration) -> Self {
        self.settings.stall = time;
        self
    }

    /// Asked before the first byte of a body is read. Default: nobody is.
    pub fn admit(mut self, admit: impl Admit) -> Self {
        self.settings.admit = Some(Arc::new(admit));
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.ledger = ledger;
        self
    }
}

impl Default for SpoolLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for SpoolLayer {
    type Service = Spool<S>;

    fn layer(&self, inner: S) -> Spool<S> {
        Spool { inner, settings: self.settings.clone() }
    }
}

impl fmt::Debug for SpoolLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolLayer")
            .field("limit", &self.settings.limit)
            .field("stall", &self.settings.stall)
            .finish_non_exhaustive()
    }
}
