//! Lines in the log about requests as they end, for a limited time.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use euryale_core::request::{Route, Stage};

use super::SlowRequest;

/// The maximum number of lines, so that a trace under load does not fill the log.
pub(super) const LINES: u64 = 1000;

/// The trace that was asked for last.
#[derive(Debug, Default)]
pub(super) struct Trace {
    is_on: AtomicBool,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    until: Instant,
    /// The route whose requests are logged, or `None` for all requests.
    route: Option<Box<str>>,
    written: u64,
    left_out: u64,
}

impl Trace {
    /// Begins a trace, which replaces the last one.
    pub(super) fn begin(&self, now: Instant, time: Duration, route: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Some(State {
            until: now + time,
            route: route.map(Into::into),
            written: 0,
            left_out: 0,
        });
        self.is_on.store(true, Relaxed);
    }

    /// Logs a request that has ended, if there is a trace of it.
    pub(super) fn record(&self, now: Instant, ended: impl FnOnce() -> SlowRequest) {
        if !self.is_on.load(Relaxed) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trace) = state.as_mut() else {
            return;
        };
        if now >= trace.until {
            let written = trace.written;
            let left_out = trace.left_out;
            self.is_on.store(false, Relaxed);
            *state = None;
            drop(state);
            tracing::info!(written, left_out, "the trace has ended");
            return;
        }
        let ended = ended();
        let route = ended.route.as_ref().map(Route::name);
        if trace.route.is_some() && trace.route.as_deref() != route {
            return;
        }
        if trace.written == LINES {
            trace.left_out += 1;
            return;
        }
        trace.written += 1;
        drop(state);
        log(&ended);
    }
}

fn log(ended: &SlowRequest) {
    let mut stages = String::new();
    for (stage, time) in Stage::ALL.iter().zip(ended.stages) {
        // Writing to a string does not fail.
        let _ = write!(stages, "{}={time:.1?} ", stage.name());
    }
    let _ = write!(stages, "elsewhere={:.1?}", ended.elsewhere());
    tracing::info!(
        method = %ended.method,
        route = ended.route.as_ref().map_or("-", Route::name),
        status = ended.status.map(|status| status.as_u16()),
        took = ?ended.took,
        sending = ?ended.sending,
        publications = ended.publications,
        %stages,
        "request ended"
    );
}
