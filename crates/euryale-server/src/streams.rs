//! The streams of an HTTP/2 socket: the number of files that are sent at a time, and the tasks of
//! the streams.

mod piece;
mod sending;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use euryale_core::body::{BlobHandle, BlobParts};
use euryale_core::{Body, BoxError};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub(crate) use self::piece::Piece;
pub(crate) use self::sending::Sending;
use self::sending::watch;

/// A peer that opens streams without a window holds a buffer with each stream that has begun. The
/// head of a further one waits until another stream has ended, and nothing of its file is read.
///
/// The file of a waiting response is open, because the publisher opened it. So the number of
/// streams that a peer may have ([`max_concurrent_streams`](crate::Server::max_concurrent_streams))
/// limits the descriptors of one socket, and this number limits its buffers. A response waits only
/// while its peer reads the others: see [`Sending::offered`].
const BLOBS: usize = 32;

/// The files that are sent on one socket.
#[derive(Clone, Debug)]
pub(crate) struct BlobStreams {
    turns: Arc<Semaphore>,
    taken: Arc<Taken>,
}

/// The time at which a peer last read something of any file.
#[derive(Debug)]
pub(crate) struct Taken {
    born: Instant,
    /// The time in milliseconds after `born`.
    last: AtomicU64,
}

impl Taken {
    fn new() -> Self {
        Self {
            born: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(0);
        self.last.fetch_max(now, Relaxed);
    }

    fn last(&self) -> Instant {
        self.born + Duration::from_millis(self.last.load(Relaxed))
    }
}

impl BlobStreams {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(BLOBS)),
            taken: Arc::new(Taken::new()),
        }
    }

    /// Returns the response when it may be sent: at once, unless its body is a blob, or parts of
    /// one.
    pub(crate) fn admit(&self, response: Response<Body>) -> Result<Response<Body>, Box<Queued>> {
        let extensions = response.extensions();
        let is_blob = extensions
            .get::<BlobHandle>()
            .is_some_and(|blob| !blob.is_empty());
        let holds_file = is_blob || extensions.get::<BlobParts>().is_some();
        if !holds_file || response.body().is_end_stream() {
            return Ok(response);
        }
        if let Some(sending) = Sending::current() {
            sending.is_file(&self.taken);
        }
        match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => Ok(held(response, turn)),
            Err(_) => {
                let turn = Box::pin(Arc::clone(&self.turns).acquire_owned());
                Err(Box::new(Queued {
                    turn,
                    response: Some(response),
                    begun: Instant::now(),
                    taken: Arc::clone(&self.taken),
                }))
            }
        }
    }
}

/// A response that waits for its turn. Its clock runs while the peer reads nothing of the files
/// that are sent to it; the task of the stream watches that clock.
pub(crate) struct Queued {
    turn: Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>,
    response: Option<Response<Body>>,
    begun: Instant,
    taken: Arc<Taken>,
}

impl Queued {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        if let Some(sending) = Sending::current() {
            sending.offered(self.begun.max(self.taken.last()));
        }
        // The semaphore is never closed.
        match (self.turn.as_mut().poll(cx), self.response.take()) {
            (Poll::Ready(Ok(turn)), Some(response)) => Poll::Ready(held(response, turn)),
            (_, response) => {
                self.response = response;
                Poll::Pending
            }
        }
    }
}

fn held(response: Response<Body>, turn: OwnedSemaphorePermit) -> Response<Body> {
    response.map(|body| Body::new(Held { body, _turn: turn }))
}

/// A body that holds its turn until it is dropped.
struct Held {
    body: Body,
    _turn: OwnedSemaphorePermit,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs the streams of HTTP/2 as tasks. The drain tracks these tasks, and they end when their peer
/// reads nothing.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) tasks: TaskTracker,
    pub(crate) stall: Duration,
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.tasks.spawn(watch(stream, self.stall));
    }
}
