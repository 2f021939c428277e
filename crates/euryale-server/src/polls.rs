//! The polls of requests that are in progress, by thread.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use euryale_core::request::{Route, Times};
use http::Method;

/// Shows which request each thread is polling, for a dump of a program whose runtime is stuck. Pass
/// it to [`Server::polls`](crate::Server::polls), and to the code that shows it, such as the
/// console of `euryale-admin`. Clones are handles to the same list.
///
/// A poll should take microseconds. One that takes a second has blocked its thread of the runtime
/// for all that time, and with it every other task that waits for this thread.
///
/// A request is listed until the head of its response is made: polls of bodies are not listed.
///
/// A poll costs one read of the clock and two locks, which no other thread holds except during
/// [`list`](Self::list).
#[derive(Clone, Default)]
pub struct Polls(Arc<Slots>);

/// A poll that is in progress.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Polled {
    /// The name of the thread.
    pub thread: String,
    /// The request's method.
    pub method: Method,
    /// The request's route, if a layer or the program has named one so far. It is only known if the
    /// server has a list of the [slowest](crate::Server::slowest) requests.
    pub route: Option<Route>,
    /// The time since the poll began.
    pub age: Duration,
}

/// The poll of one thread.
struct Slot {
    thread: String,
    current: Mutex<Option<Current>>,
}

struct Current {
    began: Instant,
    method: Method,
    times: Option<Times>,
}

impl Slot {
    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Slots = Mutex<Vec<Weak<Slot>>>;

thread_local! {
    /// The slots of this thread, each with the list that it is in.
    static OWN: RefCell<Vec<(Weak<Slots>, Arc<Slot>)>> = const { RefCell::new(Vec::new()) };
}

impl Polls {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the polls that are in progress, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Polled> {
        let mut slots = self.slots();
        slots.retain(|slot| slot.strong_count() > 0);
        let polled = |slot: &Weak<Slot>| {
            let slot = slot.upgrade()?;
            let current = slot.current();
            let Current {
                began,
                method,
                times,
            } = current.as_ref()?;
            Some(Polled {
                thread: slot.thread.clone(),
                method: method.clone(),
                route: times.as_ref().and_then(|times| times.route().cloned()),
                age: began.elapsed(),
            })
        };
        let mut list: Vec<Polled> = slots.iter().filter_map(polled).collect();
        list.sort_by_key(|polled| std::cmp::Reverse(polled.age));
        list
    }

    /// Records that this thread polls a request, until the returned value is dropped.
    pub(crate) fn begin(&self, method: &Method, times: Option<Times>) -> InPoll {
        let Self(list) = self;
        let slot = OWN.with_borrow_mut(|own| {
            let is_here = |other: &Weak<Slots>| other.as_ptr() == Arc::as_ptr(list);
            if let Some((_, slot)) = own.iter().find(|(other, _)| is_here(other)) {
                return Arc::clone(slot);
            }
            own.retain(|(other, _)| other.strong_count() > 0);
            let slot = self.add();
            own.push((Arc::downgrade(list), Arc::clone(&slot)));
            slot
        });
        *slot.current() = Some(Current {
            began: Instant::now(),
            method: method.clone(),
            times,
        });
        InPoll(slot)
    }

    fn add(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            thread: thread::current().name().unwrap_or("unnamed").to_owned(),
            current: Mutex::new(None),
        });
        self.slots().push(Arc::downgrade(&slot));
        slot
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Polls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polls").finish_non_exhaustive()
    }
}

/// A poll in progress.
pub(crate) struct InPoll(Arc<Slot>);

impl Drop for InPoll {
    fn drop(&mut self) {
        *self.0.current() = None;
    }
}
