//! Blocking work and its runners.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tracing::Span;

use super::without_layer::ANY_THREAD;
use crate::error::{Error, NO_WORKER, PANICKED, PanicMessage, drop_quietly};

/// Runs the blocking part of a body or of a deferred response.
///
/// Without a layer it runs on tokio's blocking pool, with at most 127 others in the process. A
/// layer that has its own threads sets its runner in the [`Deferred`](crate::body::Deferred) or the
/// [`WriterHandle`](crate::body::WriterHandle), like [`ReadBlob`](crate::body::ReadBlob) for blobs.
pub trait RunBlocking: Send + Sync + 'static {
    /// Runs `work` on a thread that may block, and never on the caller's thread.
    ///
    /// # Errors
    /// [`LANE_FULL`](crate::error::LANE_FULL) or [`NO_WORKER`]; `work` then never runs.
    fn run(&self, work: Work) -> Result<(), Error>;
}

/// A blocking closure that runs once, in the span in which it was made.
pub struct Work {
    run: Box<dyn FnOnce(Place) + Send>,
}

type Place = Box<dyn Any + Send>;

impl Work {
    /// Creates work, and the future of its result. If that future is dropped, work that has not
    /// begun never runs. Running work continues, and its result is dropped in its own thread.
    pub fn new<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> (Self, Done<T>) {
        let (sender, receiver) = oneshot::channel();
        let span = Span::current();
        let run = Box::new(move |place: Place| {
            let done = if sender.is_closed() {
                drop_quietly(work);
                None
            } else {
                Some(span.in_scope(|| PanicMessage::catch(work)))
            };
            // The place is free by the time the result is visible.
            drop(place);
            if let Some(done) = done
                && let Err(unwanted) = sender.send(done)
            {
                drop_quietly(unwanted);
            }
        });
        (Self { run }, Done { receiver })
    }

    /// Runs the work on this thread, drops `place`, and then makes the result visible.
    pub fn run(self, place: impl Send + 'static) {
        (self.run)(Box::new(place));
    }

    /// Starts the work with `runner`.
    pub(crate) fn start(self, runner: Option<&Arc<dyn RunBlocking>>) -> Result<(), Error> {
        match runner {
            Some(runner) => runner.run(self),
            None => ANY_THREAD.try_enter()?.run(self),
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// The result of [`Work`].
///
/// # Errors
/// By code: [`PANICKED`], or [`NO_WORKER`] if the work was dropped before it ran.
#[derive(Debug)]
#[must_use]
pub struct Done<T> {
    receiver: oneshot::Receiver<Result<T, PanicMessage>>,
}

impl<T> Future for Done<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.receiver).poll(cx)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(Error::with_source(PANICKED, panic)),
            Err(_) => Err(Error::new(NO_WORKER)),
        })
    }
}
