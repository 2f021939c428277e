//! Tells balancers whether to send requests here.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale_core::BoxError;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::shutdown::Shutdown;

/// Tells balancers whether to send requests here. A program is not ready while it drains, while its
/// probe returns `false`, or after a failed check.
///
/// Clones are handles to the same answer.
#[derive(Clone)]
pub struct Readiness {
    shutdown: Shutdown,
    probe: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    check: Option<Arc<Check>>,
}

/// The result of a [check](Readiness::check).
#[derive(Debug)]
pub enum Checked {
    /// Everything that the program needs is available.
    Passed,
    /// Something is not available, for this reason.
    Failed(BoxError),
    /// The check could not run, for example because every worker is busy. The previous result
    /// stays.
    Unknown,
}

impl Readiness {
    /// Creates a value that is ready until `shutdown` begins to drain.
    #[must_use]
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            shutdown: shutdown.clone(),
            probe: None,
            check: None,
        }
    }

    /// Adds a condition: ready only while `probe` returns `true`. A second call replaces the probe.
    ///
    /// `probe` is called on a runtime thread for every `/readyz`. It should read a flag that
    /// something else keeps up to date, and never query a database; use [`check`](Self::check) for
    /// that.
    #[must_use]
    pub fn probe(mut self, probe: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.probe = Some(Arc::new(probe));
        self
    }

    /// Adds a condition: ready unless the last run of `check` failed. A second call replaces the
    /// check.
    ///
    /// Nothing waits for a check. Each query gets the result of the last check, and starts the next
    /// one as a task of the runtime if the last one has ended and began at least `every` ago. So
    /// there is at most one check at a time, and none without queries. A check that blocks must do
    /// so on another thread, for example as a job of a pool. In this way a program that has lost
    /// its database, and gets no requests from its balancer any more, finds out when the database
    /// is back.
    ///
    /// A check that does not end counts as failed after ten times `every`, but at least 10 s,
    /// because a hanging volume never answers. If it ends later, its result counts.
    ///
    /// Each change of the result is one line in the log.
    ///
    /// ```
    /// use std::time::Duration;
    /// use euryale_server::{Checked, Readiness, Shutdown};
    ///
    /// # async fn count_rows() -> Result<u64, std::io::Error> { Ok(1) }
    /// let readiness = Readiness::new(&Shutdown::new()).check(Duration::from_secs(1), async || {
    ///     match count_rows().await {
    ///         Ok(_) => Checked::Passed,
    ///         Err(error) => Checked::Failed(error.into()),
    ///     }
    /// });
    /// # drop(readiness);
    /// ```
    #[must_use]
    pub fn check<F, C>(mut self, every: Duration, check: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Checked> + Send + 'static,
    {
        self.check = Some(Arc::new(Check {
            every,
            begin: Box::new(move || Box::pin(check())),
            state: Mutex::default(),
        }));
        self
    }

    /// Returns the handle that tells the program to drain.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Returns the current answer.
    pub fn is_ready(&self) -> bool {
        let is_up = !self.shutdown.is_draining() && self.probe.as_ref().is_none_or(|probe| probe());
        // Checked even while the probe returns `false`, because its flag may depend on a check.
        let passed = self.check.as_ref().is_none_or(Check::has_passed);
        is_up && passed
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("is_draining", &self.shutdown.is_draining())
            .field("has_probe", &self.probe.is_some())
            .field("has_check", &self.check.is_some())
            .finish()
    }
}

type Checking = Pin<Box<dyn Future<Output = Checked> + Send>>;

struct Check {
    every: Duration,
    begin: Box<dyn Fn() -> Checking + Send + Sync>,
    state: Mutex<CheckState>,
}

#[derive(Default)]
struct CheckState {
    has_failed: bool,
    is_running: bool,
    /// The running check has taken too long.
    is_late: bool,
    /// The time at which the last check began.
    began: Option<Instant>,
}

impl CheckState {
    fn has_passed(&self) -> bool {
        !self.has_failed && !self.is_late
    }
}

impl Check {
    /// The minimum time after which a hanging check counts as failed.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Returns the result of the last check, and starts the next one if it is due.
    fn has_passed(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        if state.is_running {
            return self.in_time(state);
        }
        let is_due = state
            .began
            .is_none_or(|began| began.elapsed() >= self.every);
        let has_passed = state.has_passed();
        // Without a runtime the check cannot run.
        let Some(runtime) = is_due.then(|| Handle::try_current().ok()).flatten() else {
            return has_passed;
        };
        state.is_running = true;
        state.began = Some(Instant::now());
        drop(state);
        let check = RunningCheck(Arc::clone(self));
        runtime.spawn(async move {
            let found = (check.0.begin)().await;
            check.0.found(found);
        });
        has_passed
    }

    fn found(&self, found: Checked) {
        let error = match found {
            Checked::Passed => None,
            Checked::Failed(error) => Some(error),
            Checked::Unknown => return,
        };
        let mut state = self.lock();
        let had_passed = state.has_passed();
        state.has_failed = error.is_some();
        state.is_late = false;
        drop(state);
        match error {
            Some(error) if had_passed => fails(&error),
            None if !had_passed => tracing::info!("ready again: the check passes"),
            _ => {}
        }
    }

    /// Returns the result of the last check, or `false` if the running one has taken too long.
    fn in_time(&self, mut state: MutexGuard<'_, CheckState>) -> bool {
        let had_passed = state.has_passed();
        let most = self.every.saturating_mul(10).max(Self::PATIENCE);
        let age = state.began.map(|began| began.elapsed());
        if let Some(age) = age.filter(|age| *age >= most) {
            state.is_late = true;
            drop(state);
            if had_passed {
                fails(&format!("no answer since {} s", age.as_secs()).into());
            }
            return false;
        }
        had_passed
    }

    fn lock(&self) -> MutexGuard<'_, CheckState> {
        // Nothing panics under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fails(error: &BoxError) {
    let error = &**error as &dyn std::error::Error;
    tracing::error!(error, "not ready: a check failed");
}

/// A running check. When it is dropped, at its end, by a panic or with its runtime, the next one
/// may begin.
struct RunningCheck(Arc<Check>);

impl Drop for RunningCheck {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_running = false;
        let was_late = std::mem::take(&mut state.is_late);
        let has_passed = state.has_passed();
        drop(state);
        if was_late && has_passed {
            tracing::info!("ready again: the check has ended, and what was found before counts");
        }
    }
}
