//! The passes of one request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, mem};

use euryale_core::Error;
use euryale_core::error::Code;
use euryale_core::ledger::GaugeGuard;
use euryale_core::request::{RequestContext, Stage, Times};
use euryale_core::transaction::{History, SnapshotPin};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::asks::{Asks, Suspension, Value};
use crate::key::KeyId;
use crate::run::{Engine, Kept, later};
use crate::scope::Scope;
use crate::timing::Timings;
use crate::{PASS_LIMIT, PROMISE_LIMIT, SUSPENDED_FULL};

pin_project! {
    /// The future of [`Republish`](crate::Republish). Dropping it cancels the promises of its
    /// request, and removes its publication from the queue; a running publication is finished.
    pub struct RepublishFuture<S: Service<http::Request<B>>, B> {
        inner: S,
        // The original request. Each pass begins with a copy of it.
        request: http::Request<B>,
        engine: Arc<Engine>,
        until: Instant,
        passed: Passed,
        #[pin]
        state: PassState<S::Future>,
    }
}

pin_project! {
    /// Beginning ⇒ Publishing, or an error; Publishing ⇒ the answer, Suspended, or an error;
    /// Suspended ⇒ Beginning, or an error.
    #[project = PassStateProj]
    enum PassState<F> {
        Beginning,
        Publishing { #[pin] answer: F },
        // Boxed, because most requests have no promises and their futures should be small: beyond 1
        // KiB the system's allocator is several times slower.
        Suspended {
            settled: Pin<Box<dyn Future<Output = Result<Passed, Error>> + Send>>,
            began: Instant,
        },
    }
}

/// The state that earlier passes left behind.
#[derive(Default)]
struct Passed {
    passes: u32,
    settled: Vec<(KeyId, Value)>,
    timings: Timings,
}

impl<S: Service<http::Request<B>>, B> RepublishFuture<S, B> {
    pub(crate) fn new(inner: S, engine: Arc<Engine>, mut request: http::Request<B>) -> Self {
        if engine.settings.pin_snapshots && request.method().is_safe() {
            request.extensions_mut().insert(SnapshotPin::new());
        }
        let until = later(Instant::now(), engine.settings.request_deadline);
        Self {
            inner,
            request,
            engine,
            until,
            passed: Passed::default(),
            state: PassState::Beginning,
        }
    }
}

impl<S, B, R> Future for RepublishFuture<S, B>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Into<Error>,
    B: Clone,
{
    type Output = Result<http::Response<R>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                PassStateProj::Beginning => {
                    ready!(this.inner.poll_ready(cx)).map_err(Into::into)?;
                    let mut request = this.request.clone();
                    let scope = Scope::new(this.engine, &this.passed.settled);
                    RequestContext::insert(request.extensions_mut(), Arc::new(scope));
                    PassState::Publishing {
                        answer: this.inner.call(request),
                    }
                }
                PassStateProj::Publishing { answer } => match ready!(answer.poll(cx)) {
                    Ok(mut response) => {
                        mem::take(&mut this.passed.timings).write(response.headers_mut());
                        return Poll::Ready(Ok(response));
                    }
                    Err(error) => {
                        let (asks, history) = left_behind(error.into())?;
                        this.request.extensions_mut().insert(history);
                        let passed =
                            mem::take(this.passed).after(this.engine, &asks, *this.until)?;
                        let settled = settle(Arc::clone(this.engine), passed, asks, *this.until);
                        PassState::Suspended {
                            settled: Box::pin(settled),
                            began: Instant::now(),
                        }
                    }
                },
                PassStateProj::Suspended { settled, began } => {
                    let settled = ready!(settled.as_mut().poll(cx));
                    if let Some(times) = this.request.extensions().get::<Times>() {
                        times.spent(Stage::Suspended, began.elapsed());
                    }
                    *this.passed = settled?;
                    this.engine.settings.book.passes.add(1);
                    PassState::Beginning
                }
            };
            this.state.set(next);
        }
    }
}

/// Returns the promises of a suspended pass, and the history of the next pass, which includes this
/// attempt and the conflicts before it.
fn left_behind(mut error: Error) -> Result<(Asks, History), Error> {
    let wrote = error.wrote();
    let Some(pending) = error.take_pending() else {
        return Err(error);
    };
    // Promises of another layer are passed on to it.
    let Suspension { attempt } = pending.downcast::<Suspension>().map_err(Error::suspended)?;
    let mut history = attempt.history().after_suspension();
    history.wrote |= wrote;
    Ok((attempt.with(mem::take::<Asks>), history))
}

impl Passed {
    /// Counts another pass if the limit allows one. `asks` is what the last pass asked for.
    fn after(mut self, engine: &Engine, asks: &Asks, until: Instant) -> Result<Self, Error> {
        if asks.too_many {
            return Err(refused(PROMISE_LIMIT, asks));
        }
        self.passes += 1;
        if self.passes >= engine.settings.passes || until <= Instant::now() {
            return Err(refused(PASS_LIMIT, asks));
        }
        Ok(self)
    }
}

/// Resolves the promises of a pass. Meanwhile the request holds a place among the suspended ones.
async fn settle(
    engine: Arc<Engine>,
    mut passed: Passed,
    asks: Asks,
    until: Instant,
) -> Result<Passed, Error> {
    let Asks {
        asked,
        found,
        cleared,
        ..
    } = asks;
    let Passed {
        settled, timings, ..
    } = &mut passed;
    settled.retain(|(key, _)| !cleared.contains(key));
    if engine.settings.server_timing {
        found.iter().for_each(|(key, _)| timings.found(key));
    }
    settled.extend(found);
    let Ok(_place) = engine.settings.suspended.try_acquire() else {
        return Err(Error::new(SUSPENDED_FULL));
    };
    let _suspended = GaugeGuard::new(&engine.settings.book.suspended, 1);
    for Kept { key, value, took } in engine.keep(asked, until).await {
        if engine.settings.server_timing {
            timings.kept(&key, &value, took);
        }
        settled.push((key, value));
    }
    Ok(passed)
}

/// Returns an error that names the unresolved promises.
fn refused(code: Code, asks: &Asks) -> Error {
    let keys: Vec<String> = asks.asked.iter().map(|ask| ask.key.to_string()).collect();
    Error::with_source(
        code,
        format!("asked for in the last pass: {}", keys.join(", ")),
    )
}

impl<S: Service<http::Request<B>>, B> fmt::Debug for RepublishFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepublishFuture")
            .field("passes", &self.passed.passes)
            .finish_non_exhaustive()
    }
}
