//! How many files are sent to one HTTP/2 peer at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{BlobHandle, BlobParts, Body, BoxError};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// A peer that opens streams and gives them no window holds a buffer with each that is begun. The
/// head of one more waits until another one has ended, and nothing of its file is read.
///
/// Its file is open by then: the publisher opened it before anybody knew that the answer is one. So
/// descriptors are bounded by the streams that a peer may have,
/// [`max_concurrent_streams`](crate::Server::max_concurrent_streams), and only buffers by this.
const BLOBS: usize = 32;

/// Those of one socket.
#[derive(Clone, Debug)]
pub(crate) struct BlobStreams(Arc<Semaphore>);

impl BlobStreams {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BLOBS)))
    }

    /// The response, when it may be sent: at once, unless its body is a blob, or parts of one.
    pub(crate) fn admit(&self, response: Response<Body>) -> Result<Response<Body>, Box<Queued>> {
        let extensions = response.extensions();
        let is_blob = extensions
            .get::<BlobHandle>()
            .is_some_and(|blob| !blob.is_empty());
        let holds_file = is_blob || extensions.get::<BlobParts>().is_some();
        if !holds_file || response.body().is_end_stream() {
            return Ok(response);
        }
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(turn) => Ok(held(response, turn)),
            Err(_) => {
                let turn = Box::pin(Arc::clone(&self.0).acquire_owned());
                Err(Box::new(Queued {
                    turn,
                    response: Some(response),
                }))
            }
        }
    }
}

/// A response that waits for its turn.
pub(crate) struct Queued {
    turn: Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>,
    response: Option<Response<Body>>,
}

impl Queued {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        // Nobody closes the semaphore.
        let turn = ready!(self.turn.as_mut().poll(cx));
        match (turn, self.response.take()) {
            (Ok(turn), Some(response)) => Poll::Ready(held(response, turn)),
            _ => Poll::Pending,
        }
    }
}

fn held(response: Response<Body>, turn: OwnedSemaphorePermit) -> Response<Body> {
    response.map(|body| Body::new(Held { body, _turn: turn }))
}

/// A body that has its turn until it is dropped.
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
