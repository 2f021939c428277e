//! The body of a response, linked to its socket.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use euryale_core::{Body, BoxError};
use http_body::{Frame, SizeHint};

use crate::socket::RunningRequest;
use crate::streams::{Piece, Sending};

/// The body for hyper. The request counts as running until hyper drops it.
pub(crate) struct Outgoing {
    body: Body,
    _running: RunningRequest,
    /// The state of the stream; only for HTTP/2.
    sending: Option<Arc<Sending>>,
}

impl Outgoing {
    pub(crate) fn new(body: Body, running: RunningRequest, sending: Option<Arc<Sending>>) -> Self {
        Self {
            body,
            _running: running,
            sending,
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        let this = &mut *self;
        if let Some(sending) = &this.sending {
            ready!(sending.poll_room(cx));
        }
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Some(sending) = &this.sending {
            sending.gave(frame.is_ready());
        }
        frame.map_ok(|frame| frame.map_data(|bytes| Piece::new(bytes, this.sending.as_ref())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
