//! The live page: server-sent events (HTML, "Server-sent events").

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use euryale_core::BoxError;
use http_body::Frame;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Status, Viewer, page};

const EVERY: Duration = Duration::from_secs(1);

/// A body that ends only when the drain begins. It computes new numbers when its client has read
/// the previous ones. A client that does not read is closed by the server.
pub(super) struct Live {
    status: Status,
    ticks: Interval,
    draining: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
    _viewer: Viewer,
}

impl Live {
    /// Creates a body whose first event is sent at once.
    pub(super) fn new(status: Status, viewer: Viewer) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = status.readiness.shutdown().clone();
        let draining = Box::pin(async move { shutdown.draining().await });
        Self {
            status,
            ticks,
            draining,
            is_over: false,
            _viewer: viewer,
        }
    }

    fn event(&self, name: &str) -> Frame<Bytes> {
        let page = page::event(&self.status.figures());
        let mut event = format!("event: {name}\n");
        for line in page.lines() {
            event.extend(["data: ", line, "\n"]);
        }
        event.push('\n');
        Frame::data(event.into())
    }
}

impl http_body::Body for Live {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.draining.as_mut().poll(cx).is_ready() {
            self.is_over = true;
            return Poll::Ready(Some(Ok(self.event("drain"))));
        }
        self.ticks
            .poll_tick(cx)
            .map(|_| Some(Ok(self.event("status"))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}
