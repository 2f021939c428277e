//! The times that a request spends in its stages.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::request::Route;

/// A stage of a request, before its answer, that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Stage {
    /// The body is read.
    Reading,
    /// The request waits for a worker.
    Queued,
    /// The request is published.
    Working,
    /// The request waits for promises.
    Suspended,
}

impl Stage {
    /// All stages, in the order of their numbers.
    pub const ALL: &'static [Self] = &[Self::Reading, Self::Queued, Self::Working, Self::Suspended];

    /// Returns the name, in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Queued => "queued",
            Self::Working => "working",
            Self::Suspended => "suspended",
        }
    }
}

/// The times that a request spends in its stages. Code outside all layers adds this value to the
/// request's extensions, and the layers write into it. Clones are handles to the same times, so all
/// attempts and passes are added up.
///
/// ```
/// use std::time::Duration;
///
/// use euryale_core::request::{Stage, Times};
///
/// let times = Times::new();
/// let request = http::Request::get("/").extension(times.clone()).body(())?;
/// if let Some(times) = request.extensions().get::<Times>() {
///     times.spent(Stage::Queued, Duration::from_millis(3)); // a layer
/// }
/// assert_eq!(times.of(Stage::Queued), Duration::from_millis(3));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Times(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The times in nanoseconds, by the stages' numbers.
    spent: [AtomicU64; Stage::ALL.len()],
    publications: AtomicU32,
    route: OnceLock<Route>,
}

impl Times {
    /// Creates a value without times.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a time that the request spent in this stage.
    pub fn spent(&self, stage: Stage, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.spent[stage as usize].fetch_add(time, Ordering::Relaxed);
        if stage == Stage::Working {
            self.0.publications.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the total time in this stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.0.spent[stage as usize].load(Ordering::Relaxed))
    }

    /// Returns how often the request was published: attempts and passes together.
    #[must_use]
    pub fn publications(&self) -> u32 {
        self.0.publications.load(Ordering::Relaxed)
    }

    /// Sets the route of the request. The first value counts.
    pub fn belongs_to(&self, route: &Route) {
        self.0.route.get_or_init(|| route.clone());
    }

    /// Returns the route, if one was set.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.0.route.get()
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Times");
        for stage in Stage::ALL {
            debug.field(stage.name(), &self.of(*stage));
        }
        debug
            .field("publications", &self.publications())
            .field("route", &self.route())
            .finish()
    }
}
