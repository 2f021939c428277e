//! Runs promises within their deadlines and the layer's limits.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::{CatchPanic, PanicMessage};
use euryale_core::ledger::GaugeGuard;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::asks::{Ask, Job, Running, Sharing, Value};
use crate::key::KeyId;
use crate::settings::Settings;
use crate::shared::Boarded;
use crate::{PromiseBook, PromiseError, blocking};

pub(crate) struct Engine {
    pub(crate) settings: Settings,
}

/// A promise that has been resolved, to a value or a failure.
pub(crate) struct Kept {
    pub(crate) key: KeyId,
    pub(crate) value: Value,
    /// The time from the end of the pass.
    pub(crate) took: Duration,
}

impl Engine {
    /// Runs all promises concurrently, and waits for the last one, at most until `until`. Dropping
    /// the future cancels them.
    pub(crate) async fn keep(self: &Arc<Self>, asked: Vec<Ask>, until: Instant) -> Vec<Kept> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        let mut kept = Vec::with_capacity(asked.len());
        for (index, ask) in asked.into_iter().enumerate() {
            let lost = Err(PromiseError::NoThread);
            kept.push(Kept {
                key: ask.key.clone(),
                value: lost,
                took: Duration::ZERO,
            });
            let engine = Arc::clone(self);
            let task = async move {
                (
                    index,
                    engine.keep_one(ask, began, until).await,
                    began.elapsed(),
                )
            };
            tasks.spawn(task.in_current_span());
        }
        while let Some(joined) = tasks.join_next().await {
            // A task is lost only through a panic in a drop, or the end of the runtime.
            if let Ok((index, value, took)) = joined
                && let Some(kept) = kept.get_mut(index)
            {
                (kept.value, kept.took) = (value, took);
            }
        }
        kept
    }

    async fn keep_one(self: &Arc<Self>, ask: Ask, began: Instant, until: Instant) -> Value {
        let until = until.min(later(began, self.deadline(&ask)));
        match ask.terms.shared {
            None => self.run(&ask.key, ask.job, until).await,
            Some(sharing) => self.board(ask, sharing, until).await,
        }
    }

    fn deadline(&self, ask: &Ask) -> Duration {
        ask.terms.deadline.unwrap_or(self.settings.deadline)
    }

    /// Waits together with other requests for a shared promise, which runs in its own task, so that
    /// it continues when one of them leaves.
    async fn board(self: &Arc<Self>, ask: Ask, sharing: Sharing, until: Instant) -> Value {
        let tally = Tally::new(&self.settings.book);
        let flight = match self.start(ask, sharing, false) {
            Boarded::There(value) => {
                tally.shared();
                return value;
            }
            // The flight is counted in its own task.
            Boarded::Started(flight) => {
                tally.counted();
                return timeout_at(until, flight.landed())
                    .await
                    .unwrap_or(Err(PromiseError::Elapsed));
            }
            Boarded::Joined(flight) => flight,
        };
        match timeout_at(until, flight.landed()).await {
            Ok(value) => {
                tally.shared();
                value
            }
            Err(_) => {
                let value = Err(PromiseError::Elapsed);
                tally.count(&value);
                value
            }
        }
    }

    /// Refreshes a stale value, unless a refresh is already running.
    pub(crate) async fn refresh(self: &Arc<Self>, ask: Ask, sharing: Sharing) {
        if let Boarded::Started(flight) = self.start(ask, sharing, true) {
            drop(flight.landed().await);
        }
    }

    fn start(self: &Arc<Self>, ask: Ask, sharing: Sharing, anew: bool) -> Boarded {
        // The flight gets the full deadline of a promise, however little time its first request has
        // left.
        let until = later(Instant::now(), self.deadline(&ask));
        let Ask { key, job, .. } = ask;
        let engine = Arc::clone(self);
        let landing = key.clone();
        self.settings
            .shared
            .board(&key, anew, move |sender, number| {
                let flight = async move {
                    let value = engine.run(&landing, job, until).await;
                    engine
                        .settings
                        .shared
                        .land(&landing, number, &value, sharing);
                    sender.send_replace(Some(value));
                };
                tokio::spawn(flight.in_current_span()).abort_handle()
            })
    }

    /// Runs one promise, counts its outcome, and logs a failure, once for all that wait for it.
    async fn run(&self, key: &KeyId, job: Job, until: Instant) -> Value {
        let tally = Tally::new(&self.settings.book);
        let value = timeout_at(until, self.perform(job))
            .await
            .unwrap_or(Err(PromiseError::Elapsed));
        tally.count(&value);
        if let Err(error) = &value {
            tracing::warn!(%key, "{error}");
        }
        value
    }

    async fn perform(&self, job: Job) -> Value {
        let make = match job {
            Job::Async(make) => make,
            Job::Blocking(job) => {
                return blocking::run(&self.settings.lane, &self.settings.book, job).await;
            }
        };
        let Ok(_place) = self.settings.running.acquire().await else {
            return Err(PromiseError::NoThread);
        };
        let _running = GaugeGuard::new(&self.settings.book.running, 1);
        caught(make).await
    }
}

/// A panic becomes a value.
async fn caught(make: Box<dyn FnOnce() -> Running + Send>) -> Value {
    let panicked = |panic: PanicMessage| Err(PromiseError::Panicked(panic.into()));
    match PanicMessage::catch(make) {
        Ok(running) => CatchPanic::new(running).await.unwrap_or_else(panicked),
        Err(panic) => panicked(panic),
    }
}

/// `duration` after `instant`, or a time in the far future on overflow.
pub(crate) fn later(instant: Instant, duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    instant + duration.min(NEVER)
}

/// Counts the outcome of a promise. If it is dropped before there is an outcome, it counts the
/// promise as cancelled.
struct Tally<'a> {
    book: &'a PromiseBook,
    is_counted: bool,
}

impl<'a> Tally<'a> {
    fn new(book: &'a PromiseBook) -> Self {
        Self {
            book,
            is_counted: false,
        }
    }

    fn count(mut self, value: &Value) {
        self.is_counted = true;
        let promises = self.book;
        let counter = match value {
            Ok(_) => &promises.ok,
            Err(PromiseError::Panicked(_)) => &promises.panic,
            Err(PromiseError::Elapsed) => &promises.elapsed,
            Err(_) => &promises.error,
        };
        counter.add(1);
    }

    fn shared(mut self) {
        self.is_counted = true;
        self.book.shared.add(1);
    }

    fn counted(mut self) {
        self.is_counted = true;
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        if !self.is_counted {
            self.book.cancelled.add(1);
        }
    }
}
