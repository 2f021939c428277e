//! The passes of one request.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_core::ledger::GaugeGuard;
use euryale_core::{Attempt, Error, ErrorKind, History, SnapshotPin, Stage, Times};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower_service::Service;

use crate::asks::{Asks, Suspension, Value};
use crate::key::KeyId;
use crate::run::{Engine, Kept, later};
use crate::scope::Scope;
use crate::timing::Timings;

/// Publishing ⇒ the answer, or Suspended; Suspended ⇒ Publishing, or an error. At both awaits this future may be
/// dropped: then a publication in the queue leaves it, one that runs is finished, and promises are cancelled.
#[expect(clippy::manual_async_fn, reason = "the future of an `async fn` has room for each argument twice")]
pub(crate) fn passes<S, B, R>(
    mut inner: S,
    engine: Arc<Engine>,
    mut request: http::Request<B>,
) -> impl Future<Output = Result<http::Response<R>, Error>>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Into<Error>,
    B: Clone,
{
    async move {
        let until = later(Instant::now(), engine.settings.request_deadline);
        let runtime = Handle::current();
        let mut settled = Vec::new();
        let mut timings = Timings::default();
        let mut pass = 1;
        if engine.settings.pin_snapshots && request.method().is_safe() {
            request.extensions_mut().insert(SnapshotPin::new());
        }
        loop {
            request.extensions_mut().insert(Scope::new(&engine, &settled, &runtime));
            poll_fn(|cx| inner.poll_ready(cx)).await.map_err(Into::into)?;
            let mut error = match inner.call(request.clone()).await {
                Ok(mut response) => {
                    timings.write(response.headers_mut());
                    return Ok(response);
                }
                Err(error) => error.into(),
            };
            let wrote = error.wrote();
            let Some(pending) = error.take_pending() else { return Err(error) };
            // What another layer's promises are is for that one to know.
            let attempt = match pending.downcast::<Suspension>() {
                Ok(suspension) => suspension.attempt,
                Err(pending) => return Err(Error::suspended(pending)),
            };
            let asks = attempt.with(std::mem::take::<Asks>);
            if asks.too_many {
                return Err(refused(ErrorKind::PromiseLimit, &asks));
            }
            if pass >= engine.settings.passes || until <= Instant::now() {
                return Err(refused(ErrorKind::PassLimit, &asks));
            }
            // On the heap, because most requests ask for nothing and their futures should be small: beyond 1 KiB
            // the system's allocator is several times slower.
            let began = Instant::now();
            let resolved = Box::pin(settle(&engine, &mut settled, asks, until, &mut timings)).await;
            if let Some(times) = request.extensions().get::<Times>() {
                times.spent(Stage::Suspended, began.elapsed());
            }
            resolved?;
            request.extensions_mut().insert(history(&attempt, wrote));
            engine.settings.ledger.promises.passes.add(1);
            pass += 1;
        }
    }
}

/// Resolves what a pass asked for; holds a place among the requests set aside meanwhile.
async fn settle(
    engine: &Arc<Engine>,
    settled: &mut Vec<(KeyId, Value)>,
    asks: Asks,
    until: Instant,
    timings: &mut Timings,
) -> Result<(), Error> {
    let Asks { asked, found, cleared, .. } = asks;
    settled.retain(|(key, _)| !cleared.contains(key));
    if engine.settings.server_timing {
        found.iter().for_each(|(key, _)| timings.found(key));
    }
    settled.extend(found);
    let Ok(_place) = engine.settings.suspended.try_acquire() else {
        return Err(Error::new(ErrorKind::SuspendedFull));
    };
    let _suspended = GaugeGuard::new(&engine.settings.ledger, |ledger| &ledger.promises.suspended, 1);
    for Kept { key, value, took } in engine.keep(asked, until).await {
        if engine.settings.server_timing {
            timings.kept(&key, &value, took);
        }
        settled.push((key, value));
    }
    Ok(())
}

/// The next pass follows after this attempt and all the conflicts before it.
fn history(attempt: &Attempt, wrote: bool) -> History {
    let mut history = attempt.history().after_suspension();
    history.wrote |= wrote;
    history
}

/// An error that names what was still asked for.
fn refused(kind: ErrorKind, asks: &Asks) -> Error {
    let keys: Vec<String> = asks.asked.iter().map(|ask| ask.key.to_string()).collect();
    Error::with_source(kind, format!("asked for in the last pass: {}", keys.join(", ")))
}

/// The future of [`Republish`](crate::Republish). Dropped, it cancels the promises of its request.
pub struct RepublishFuture<R> {
    pub(crate) inner: Pin<Box<dyn Future<Output = Result<http::Response<R>, Error>> + Send>>,
}

impl<R> Future for RepublishFuture<R> {
    type Output = Result<http::Response<R>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx)
    }
}

impl<R> fmt::Debug for RepublishFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepublishFuture")
    }
}
