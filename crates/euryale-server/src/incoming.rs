//! The bodies of requests, which must arrive in time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use euryale_core::error::BODY_STALLED;
use euryale_core::{BoxError, Error};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::socket::{Ending, SocketCell};

/// The body of a request to the service.
///
/// It must arrive while the service waits for it: a body that stops or is too slow ends in an error
/// with the code [`BODY_STALLED`]. No time counts while nothing polls it.
pub struct Incoming {
    body: hyper::body::Incoming,
    /// `None` if there is nothing to wait for.
    watch: Option<Box<Watch>>,
}

/// The limits on the speed of bodies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The longest time without a byte.
    pub(crate) stall: Duration,
    /// The minimum number of bytes in each span.
    pub(crate) bytes: u64,
    pub(crate) span: Duration,
}

struct Watch {
    cell: Arc<SocketCell>,
    pace: Pace,
    /// The time at which the reader began to wait.
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// How long readers have waited in this span, and how many bytes have arrived.
    waited: Duration,
    came: u64,
    has_ended: bool,
}

impl Incoming {
    pub(crate) fn new(body: hyper::body::Incoming, cell: &Arc<SocketCell>, pace: Pace) -> Self {
        let watch = (!body.is_end_stream()).then(|| Box::new(Watch::new(cell, pace)));
        Self { body, watch }
    }
}

impl Watch {
    fn new(cell: &Arc<SocketCell>, pace: Pace) -> Self {
        let cell = Arc::clone(cell);
        Self {
            cell,
            pace,
            since: None,
            alarm: None,
            waited: Duration::ZERO,
            came: 0,
            has_ended: false,
        }
    }

    /// Ready when no bytes have arrived for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(sleep(self.pace.stall)));
        while alarm.as_mut().poll(cx).is_ready() {
            // The timer may be set for an earlier wait, because arriving bytes do not reset it.
            let deadline = since + self.pace.stall;
            if deadline <= alarm.deadline() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Records arrived bytes, and returns whether they were fast enough.
    fn came(&mut self, bytes: usize) -> bool {
        self.came += bytes as u64;
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        if self.waited < self.pace.span {
            return true;
        }
        let is_fast = self.came >= self.pace.bytes;
        (self.waited, self.came) = (Duration::ZERO, 0);
        is_fast
    }

    fn elapsed(&self) -> BoxError {
        if !self.cell.is_http2() {
            self.cell.blame(Ending::BodyElapsed);
        }
        Error::new(BODY_STALLED).into()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.has_ended && !self.cell.is_http2() {
            self.cell.leave_unread();
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        let Some(watch) = &mut this.watch else {
            return frame.map_err(Into::into);
        };
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                if !watch.came(frame.data_ref().map_or(0, Bytes::len)) {
                    return Poll::Ready(Some(Err(watch.elapsed())));
                }
                watch.has_ended = this.body.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                watch.has_ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => watch.poll_stalled(cx).map(|()| Some(Err(watch.elapsed()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Incoming").field(&self.body).finish()
    }
}
