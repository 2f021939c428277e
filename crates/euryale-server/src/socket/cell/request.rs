//! Guards of what is under way on a socket: requests, and responses of HTTP/2.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{Method, StatusCode, Uri};

use super::SocketCell;
use crate::polls::{InPoll, Polls};
use crate::slowest::Watched;
use crate::socket::ending::Ending;

/// A running request, until hyper has all of its response.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    cell: Arc<SocketCell>,
    is_answered: bool,
    method: Method,
    uri: Uri,
    began: Instant,
    watched: Option<Box<Watched>>,
}

impl RunningRequest {
    pub(super) fn new(
        cell: Arc<SocketCell>,
        method: Method,
        uri: Uri,
        watched: Option<Box<Watched>>,
    ) -> Self {
        Self {
            cell,
            is_answered: false,
            method,
            uri,
            began: Instant::now(),
            watched,
        }
    }

    pub(crate) fn cell(&self) -> &Arc<SocketCell> {
        &self.cell
    }

    /// Records that this thread polls the request, until the returned value is dropped.
    pub(crate) fn is_polled(&self, polls: &Polls) -> InPoll {
        let times = self.watched.as_ref().map(|watched| watched.times());
        polls.begin(&self.method, times)
    }

    /// The service has returned its response.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.is_answered = true;
        if let Some(watched) = &mut self.watched {
            watched.answered(self.began, status);
        }
        // RFC 9110 §15.2.2, and §9.3.6: with HTTP/2 a tunnel has its stream, and the socket stays
        // hyper's.
        let is_tunnel = self.method == Method::CONNECT && status.is_success();
        if is_tunnel && self.cell.is_http2() {
            self.cell.tunnel.store(true, Relaxed);
        }
        if (status == StatusCode::SWITCHING_PROTOCOLS || is_tunnel) && !self.cell.is_http2() {
            // Once in the life of a socket.
            let _ = self
                .cell
                .upgraded
                .set((self.method.clone(), self.uri.path().into()));
        }
    }
}

/// An HTTP/2 response, until it is completely written or abandoned.
#[derive(Debug)]
pub(crate) struct Unwritten(Arc<SocketCell>);

impl Unwritten {
    pub(crate) fn new(cell: &Arc<SocketCell>) -> Self {
        cell.sending.fetch_add(1, Relaxed);
        Self(Arc::clone(cell))
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Relaxed);
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.cell.running.fetch_sub(1, Relaxed);
        if let Some(watched) = &self.watched {
            watched.ended(self.began, &self.method);
        }
        if self.cell.ending.load(Relaxed) == Ending::Cut as u8 {
            let phase = if self.is_answered {
                "sending"
            } else {
                "working"
            };
            let method = &self.method;
            let path = self.uri.path();
            let age = self.began.elapsed();
            tracing::warn!(%method, path, phase, ?age, "cut");
        }
        if !self.is_answered && self.cell.is_http2() {
            self.cell.resets.count(self.cell.born.elapsed());
        }
    }
}
