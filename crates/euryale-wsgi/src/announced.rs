//! A body whose length differs from the one that its head announced.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Body, BoxError};
use http_body::{Frame, SizeHint};

/// A body of the announced length that breaks off where the application's body ended.
#[derive(Debug)]
pub(crate) struct Announced {
    body: Body,
    left: Option<u64>,
    has_paused: bool,
}

impl Announced {
    /// Creates a body of `length` bytes from `body`, which is shorter.
    pub(crate) fn new(body: Body, length: u64) -> Self {
        Self {
            body,
            left: Some(length),
            has_paused: false,
        }
    }

    /// Creates the body of an answer to HEAD, of which only the length is sent if it is known.
    pub(crate) fn head(length: Option<u64>) -> Self {
        Self {
            body: Body::empty(),
            left: length,
            has_paused: false,
        }
    }
}

impl http_body::Body for Announced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(left) = self.left else {
            return Poll::Ready(frame);
        };
        match frame {
            Some(Ok(frame)) => {
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.left = Some(left.saturating_sub(len));
                Poll::Ready(Some(Ok(frame)))
            }
            None if left > 0 && !self.has_paused => {
                // A server sends its buffered bytes before it waits, but drops them after an error.
                // So the error follows one poll later.
                self.has_paused = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None if left > 0 => {
                self.left = Some(0);
                let what = format!("the application announced {left} more bytes than it sent");
                Poll::Ready(Some(Err(what.into())))
            }
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
