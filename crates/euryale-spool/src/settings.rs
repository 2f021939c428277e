//! Settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::request::Admit;
use euryale_core::threads::BlockingLane;
use http::request::Parts;

#[cfg(feature = "forms")]
use crate::FormLimits;
use crate::{SpoolBook, SpoolBudget};

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) memory: usize,
    pub(crate) budget: SpoolBudget,
    pub(crate) limit: u64,
    pub(crate) limits: Arc<[(Predicate, u64)]>,
    pub(crate) directory: Arc<Path>,
    pub(crate) stall: Duration,
    pub(crate) rate: Rate,
    pub(crate) lane: BlockingLane,
    pub(crate) admit: Vec<Arc<dyn Admit>>,
    #[cfg(feature = "forms")]
    pub(crate) forms: Option<FormLimits>,
    pub(crate) book: Arc<SpoolBook>,
}

pub(crate) type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// The minimum number of bytes in each span of time.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) bytes: u64,
    pub(crate) span: Duration,
}

impl Settings {
    /// Returns the maximum length of this request's body.
    pub(crate) fn limit_of(&self, parts: &Parts) -> u64 {
        self.limits
            .iter()
            .find(|(fits, _)| fits(parts))
            .map_or(self.limit, |(_, limit)| *limit)
            .min(self.budget.longest_body())
    }
}
