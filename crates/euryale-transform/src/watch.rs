//! Measures one transform on one page: its time and its failure.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use euryale_core::BoxError;
use euryale_core::error::{ErrorChain, PanicMessage};
use tracing::Span;

use crate::TransformMeters;

/// One transform on one page.
pub(crate) struct Watch {
    name: Arc<str>,
    critical: bool,
    failed: AtomicBool,
    nanoseconds: AtomicU64,
    meters: Arc<TransformMeters>,
    span: Span,
}

impl Watch {
    pub(crate) fn new(name: &Arc<str>, critical: bool, meters: &Arc<TransformMeters>) -> Self {
        Self {
            span: tracing::debug_span!("transform", name = &**name, ms = tracing::field::Empty),
            name: Arc::clone(name),
            critical,
            failed: AtomicBool::new(false),
            nanoseconds: AtomicU64::new(0),
            meters: Arc::clone(meters),
        }
    }

    pub(crate) fn is_critical(&self) -> bool {
        self.critical
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Runs a part of a streaming rewrite, unless an earlier part has failed. Only the failure of a
    /// critical transform is returned as an error, which ends the parse.
    pub(crate) fn call(&self, part: impl FnOnce() -> Result<(), BoxError>) -> Result<(), BoxError> {
        if self.has_failed() {
            return Ok(());
        }
        let Err(error) = self.time(part) else {
            return Ok(());
        };
        self.failed(&*error).map_err(BoxError::from)
    }

    /// Runs a part of the transform. A panic becomes an error.
    pub(crate) fn run<T>(&self, part: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
        let done = self.span.in_scope(|| PanicMessage::catch(part));
        done.unwrap_or_else(|panic| Err(panic.into()))
    }

    /// Like [`run`](Self::run), and counts the time.
    pub(crate) fn time<T>(
        &self,
        part: impl FnOnce() -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let began = Instant::now();
        let done = self.run(part);
        self.took(began.elapsed());
        done
    }

    pub(crate) fn took(&self, time: Duration) {
        self.nanoseconds
            .fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Records a failure, which is an error only if the transform is critical.
    pub(crate) fn failed(
        &self,
        error: &(dyn std::error::Error + 'static),
    ) -> Result<(), CriticalFailed> {
        self.fail(error);
        if self.critical {
            Err(CriticalFailed)
        } else {
            Ok(())
        }
    }

    /// Logs the failure, once.
    pub(crate) fn fail(&self, error: &(dyn std::error::Error + 'static)) {
        if self.failed.swap(true, Relaxed) {
            return;
        }
        self.meters.failures.add(1);
        let transform = &*self.name;
        let critical = self.critical;
        self.span.in_scope(|| {
            tracing::error!(
                transform,
                critical,
                "a transform failed: {}",
                ErrorChain::new(error)
            );
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = Duration::from_nanos(self.nanoseconds.load(Relaxed));
        self.meters.seconds.record(took);
        self.span.record("ms", took.as_secs_f64() * 1e3);
    }
}

/// The error of a critical transform, after which the page must not be sent.
#[derive(Debug)]
pub(crate) struct CriticalFailed;

impl fmt::Display for CriticalFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a critical transform failed")
    }
}

impl std::error::Error for CriticalFailed {}
