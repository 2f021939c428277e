//! The body of a response, and what its socket should know of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{Body, BoxError};
use http_body::{Frame, SizeHint};

use crate::socket::Running;
use crate::streams::Sending;

/// What hyper is given: the request runs until hyper lets go of it.
pub(crate) struct Outgoing {
    body: Body,
    _running: Running,
    /// HTTP/2 only.
    sending: Option<Arc<Sending>>,
}

impl Outgoing {
    pub(crate) fn new(body: Body, running: Running, sending: Option<Arc<Sending>>) -> Self {
        Self { body, _running: running, sending }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(sending) = &self.sending {
            sending.gave(frame.is_ready());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
