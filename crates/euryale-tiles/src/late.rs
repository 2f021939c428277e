//! Pages that are sent before all of their tiles have arrived.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::BoxError;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::place::Placing;

/// The approximate number of bytes that are sent at a time.
const CHUNK: usize = 16 << 10;

/// The body of a page whose tiles are still being fetched. Tiles make progress only while the body
/// is polled, and are dropped with it.
pub(crate) struct Late {
    placing: Placing,
    /// The deadline for the tiles.
    until: Option<Pin<Box<Sleep>>>,
}

impl Late {
    pub(crate) fn new(placing: Placing, until: Instant) -> Self {
        Self {
            placing,
            until: Some(Box::pin(sleep_until(until))),
        }
    }

    /// Ready when all tiles have arrived or failed.
    fn poll_tiles(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = &mut self.until else {
            return Poll::Ready(());
        };
        if self.placing.poll(cx).is_pending() {
            ready!(until.as_mut().poll(cx));
            self.placing.give_up();
        }
        self.until = None;
        Poll::Ready(())
    }
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Parts that were placed earlier are sent, even if more tiles have arrived since.
        let tiles = self.poll_tiles(cx);
        self.placing.place();
        let text = self.placing.take(CHUNK);
        if !text.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(text.into()))));
        }
        if !self.placing.is_taken() {
            ready!(tiles);
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.placing.is_taken()
    }
}
