//! The calls of the application that have begun.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use euryale::Request;
use http::{Method, Uri};

thread_local! {
    /// The number of this worker thread.
    pub(crate) static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The calls of the application that have begun, by the number of their thread.
#[derive(Clone, Default)]
pub(crate) struct AtWork(Arc<Mutex<BTreeMap<usize, Call>>>);

struct Call {
    method: Method,
    uri: Uri,
    since: Instant,
}

impl AtWork {
    /// Records that this thread calls the application for `request`, until the guard is dropped.
    pub(crate) fn begin(&self, request: &Request) -> Calling<'_> {
        if let Some(number) = NUMBER.get() {
            // Copies of handles: the text is made when somebody asks for it.
            let call = Call {
                method: request.method().clone(),
                uri: request.uri().clone(),
                since: Instant::now(),
            };
            self.change(|calls| calls.insert(number, call));
        }
        Calling(self)
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<usize, Call>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the name of each thread that runs a call, the call's request, and its running time.
    pub(crate) fn list(&self) -> Vec<(String, String, Duration)> {
        self.change(|calls| {
            let named = calls.iter().map(|(number, call)| {
                let request = format!("{} {}", call.method, call.uri.path());
                (format!("euryale-{number}"), request, call.since.elapsed())
            });
            named.collect()
        })
    }
}

/// A call of the application on this thread.
pub(crate) struct Calling<'a>(&'a AtWork);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        if let Some(number) = NUMBER.get() {
            self.0.change(|calls| calls.remove(&number));
        }
    }
}
