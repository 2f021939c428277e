//! The slowest recent requests.

#[cfg(test)]
mod tests;
mod trace;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use euryale_core::request::{Route, Stage, Times};
use http::{Method, StatusCode};

use self::trace::Trace;

/// Keeps the slowest requests of the last minutes. Pass it to
/// [`Server::slowest`](crate::Server::slowest), and to the code that shows it, such as the status
/// page of `euryale-admin`. Clones are handles to the same list.
///
/// A request is slow if the head of its answer takes long, or if it ends without one after a long
/// time. The time for sending the body is listed as well, but depends mostly on the reader. A
/// request is named by its method and its [`Route`], never by its path.
///
/// A request that is not among the slowest costs three loads when it ends. While it runs it has a
/// [`Times`] in its extensions, into which the layers write.
#[derive(Clone)]
pub struct Slowest(Arc<Inner>);

/// The number of requests that are kept.
const KEPT: usize = 10;

/// The time for which a request is listed.
const SPAN: Duration = Duration::from_secs(300);

/// The number of steps in the span. Each step has its own list, so that very slow requests are
/// removed when their time is over.
const STEPS: u32 = 5;

struct Inner {
    born: Instant,
    /// Requests that took no longer than this, in nanoseconds, are not among the slowest of this
    /// step.
    floor: AtomicU64,
    /// The end of this step, in nanoseconds after `born`.
    until: AtomicU64,
    steps: Mutex<VecDeque<Vec<SlowRequest>>>,
    trace: Trace,
}

/// A request that has ended, and the times of its stages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlowRequest {
    /// The request's method.
    pub method: Method,
    /// The request's route, if a layer or the program named one.
    pub route: Option<Route>,
    /// The status of the answer; `None` if the client disconnected or was cut before there was an
    /// answer.
    pub status: Option<StatusCode>,
    /// The time until the head of the answer.
    pub took: Duration,
    /// The time from the head to the end of the answer.
    pub sending: Duration,
    /// The time in each stage, in the order of [`Stage::ALL`], as far as layers have recorded it.
    pub stages: [Duration; Stage::ALL.len()],
    /// How often the request was published.
    pub publications: u32,
    /// The time at which the request ended.
    pub at: Instant,
}

impl SlowRequest {
    /// Returns the time outside all stages, until the head.
    #[must_use]
    pub fn elsewhere(&self) -> Duration {
        self.took.saturating_sub(self.stages.iter().sum())
    }
}

impl Slowest {
    /// Creates a list of the ten slowest requests of the last five minutes.
    #[must_use]
    pub fn new() -> Self {
        let steps = Mutex::default();
        Self(Arc::new(Inner {
            born: Instant::now(),
            floor: 0.into(),
            until: 0.into(),
            steps,
            trace: Trace::default(),
        }))
    }

    /// Records a request that has ended, and its duration.
    pub(crate) fn record(
        &self,
        took: Duration,
        now: Instant,
        mut ended: impl FnMut() -> SlowRequest,
    ) {
        let Inner {
            born,
            floor,
            until,
            steps,
            trace,
        } = &*self.0;
        trace.record(now, &mut ended);
        let at = nanoseconds(now.saturating_duration_since(*born));
        if nanoseconds(took) <= floor.load(Relaxed) && at < until.load(Relaxed) {
            return;
        }
        let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
        if at >= until.load(Relaxed) {
            steps.push_back(Vec::with_capacity(KEPT + 1));
            if steps.len() > STEPS as usize + 1 {
                steps.pop_front();
            }
            until.store(at + nanoseconds(SPAN / STEPS), Relaxed);
            floor.store(0, Relaxed);
        }
        let Some(step) = steps.back_mut() else { return };
        let place = step.partition_point(|other| other.took >= took);
        step.insert(place, ended());
        step.truncate(KEPT);
        if step.len() == KEPT {
            floor.store(
                step.last().map_or(0, |last| nanoseconds(last.took)),
                Relaxed,
            );
        }
    }

    /// Logs requests as they end, with the time in each stage, for the given time: those of the
    /// `route`, or all. Another call replaces the first one. After 1000 lines no more are written,
    /// and the last line has the number of those that were left out.
    ///
    /// The lines have the level INFO and the target `euryale_server::slowest::trace`.
    pub fn trace(&self, time: Duration, route: Option<&str>) {
        self.0.trace.begin(Instant::now(), time, route);
    }

    /// Returns the requests in the list, the slowest first.
    #[must_use]
    pub fn list(&self) -> Vec<SlowRequest> {
        self.list_at(Instant::now())
    }

    fn list_at(&self, now: Instant) -> Vec<SlowRequest> {
        let steps = self.0.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |ended: &&SlowRequest| now.saturating_duration_since(ended.at) < SPAN;
        let mut list: Vec<SlowRequest> =
            steps.iter().flatten().filter(is_recent).cloned().collect();
        drop(steps);
        list.sort_by_key(|ended| std::cmp::Reverse(ended.took));
        list.truncate(KEPT);
        list
    }
}

impl Default for Slowest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Slowest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slowest").finish_non_exhaustive()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A running request, which records itself in the list when it ends.
#[derive(Debug)]
pub(crate) struct Watched {
    slowest: Slowest,
    times: Times,
    answer: Option<(Duration, StatusCode)>,
}

impl Watched {
    pub(crate) fn new(slowest: &Slowest) -> Self {
        Self {
            slowest: slowest.clone(),
            times: Times::new(),
            answer: None,
        }
    }

    /// Returns the times for the request's extensions.
    pub(crate) fn times(&self) -> Times {
        self.times.clone()
    }

    pub(crate) fn answered(&mut self, began: Instant, status: StatusCode) {
        self.answer = Some((began.elapsed(), status));
    }

    pub(crate) fn ended(&self, began: Instant, method: &Method) {
        let now = Instant::now();
        let all = now.saturating_duration_since(began);
        let took = self.answer.map_or(all, |(took, _)| took);
        self.slowest.record(took, now, || SlowRequest {
            method: method.clone(),
            route: self.times.route().cloned(),
            status: self.answer.map(|(_, status)| status),
            took,
            sending: all.saturating_sub(took),
            stages: std::array::from_fn(|stage| self.times.of(Stage::ALL[stage])),
            publications: self.times.publications(),
            at: now,
        });
    }
}
