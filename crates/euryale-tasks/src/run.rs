//! One run of a task, as its request carries it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use euryale_core::error::OrStatus;
use euryale_core::{Abort, Error};
use http::{Extensions, StatusCode};

use crate::codes::BAD_PAYLOAD;
use crate::payload::{Payload, TaskId};
use crate::place::Place;
use crate::table::{Held, TakenTask};
use crate::verdict::Verdict;

/// The run of a task that a request belongs to: a value in the request's extensions, which no
/// header can forge. Clones are handles to the same run.
///
/// A route that only tasks may use begins with [`require`](Self::require):
///
/// ```
/// use euryale_core::{Abort, Body, Database, Request, Response, Transaction};
/// use euryale_tasks::Run;
///
/// fn cleanup<D: Database>(
///     request: &Request,
///     _: &mut Transaction<'_, D>,
/// ) -> Result<Response, Abort> {
///     let run = Run::require(request)?; // 404 from outside
///     Ok(Response::new(Body::from(format!("attempt {}", run.attempt()))))
/// }
/// # fn is_publisher<D: Database, P: euryale_core::Publisher<D>>(_: P) {}
/// # fn check<D: Database>() { is_publisher::<D, _>(cleanup::<D>) }
/// ```
#[derive(Clone)]
pub struct Run {
    shared: Arc<Shared>,
}

struct Shared {
    task: TakenTask,
    deadline: Duration,
    has_begun: AtomicBool,
    acknowledged: Mutex<Option<Acknowledged>>,
    verdict: Mutex<Option<Verdict>>,
    place: Arc<Place>,
}

/// What has been committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// The task has ended.
    Complete,
    /// A step, with this cursor and the token of the hold from then on.
    Step { cursor: String, token: i64 },
}

impl Run {
    pub(crate) fn new(task: TakenTask, deadline: Duration, place: Arc<Place>) -> Self {
        Self {
            shared: Arc::new(Shared {
                task,
                deadline,
                has_begun: AtomicBool::new(false),
                acknowledged: Mutex::default(),
                verdict: Mutex::default(),
                place,
            }),
        }
    }

    /// Returns the run that the request with these extensions belongs to.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Returns the run that this request belongs to.
    ///
    /// # Errors
    /// A 404 for any other request, so that its client does not even learn that the route exists.
    pub fn require<B>(request: &http::Request<B>) -> Result<&Self, Abort> {
        Self::of(request.extensions()).or_status(StatusCode::NOT_FOUND)
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.shared.task.held.id
    }

    /// Returns the kind of the task.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.shared.task.kind
    }

    /// Returns the queue of the task.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.shared.task.queue
    }

    /// Returns the number of this attempt, from 1.
    ///
    /// It grows when a run fails, and when its process ends. Conflicts and passes do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.shared.task.attempt
    }

    /// Returns the maximum number of attempts.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.shared.task.attempts
    }

    /// Returns the maximum time of this run. Give it to `Stack::deadline_for`, so that a statement
    /// that takes longer is stopped.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.shared.deadline
    }

    /// Returns the payload.
    ///
    /// # Errors
    /// With the code [`BAD_PAYLOAD`], if it is not the payload of a `P`. The task is then dead at
    /// once.
    pub fn payload<P: Payload>(&self) -> Result<P, Error> {
        self.parse(&self.shared.task.payload)
    }

    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self, json: &str) -> Result<T, Error> {
        serde_json::from_str(json).map_err(|error| Error::with_source(BAD_PAYLOAD, error))
    }

    pub(crate) fn payload_text(&self) -> &str {
        &self.shared.task.payload
    }

    pub(crate) fn cursor_text(&self) -> Option<&str> {
        self.shared.task.cursor.as_deref()
    }

    pub(crate) fn keeps_outcome(&self) -> bool {
        self.shared.task.keeps_outcome
    }

    pub(crate) fn held(&self) -> Held {
        self.shared.task.held
    }

    /// Records that a publication of this run begins in its worker.
    pub(crate) fn begin(&self) {
        self.shared.has_begun.store(true, Ordering::Release);
        self.shared.place.resume();
        // Nothing of an earlier attempt counts.
        self.judge(None);
    }

    /// Returns whether a publication of this run has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.shared.has_begun.load(Ordering::Acquire)
    }

    /// Records that the run waits for promises, outside a worker.
    pub(crate) fn suspend(&self) {
        self.shared.place.suspend();
    }

    pub(crate) fn acknowledge(&self, what: Acknowledged) {
        *lock(&self.shared.acknowledged) = Some(what);
    }

    pub(crate) fn acknowledged(&self) -> Option<Acknowledged> {
        lock(&self.shared.acknowledged).clone()
    }

    pub(crate) fn judge(&self, verdict: impl Into<Option<Verdict>>) {
        *lock(&self.shared.verdict) = verdict.into();
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        lock(&self.shared.verdict).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.id())
            .field("kind", &self.kind())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
