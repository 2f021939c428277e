//! One socket, from the first byte of HTTP to its close.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::BoxError;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::clock::Clock;
use crate::edge::Edge;
use crate::farewell::part;
use crate::incoming::Incoming;
use crate::running::Shared;
use crate::socket::{Ending, Phase, ServerIo, Socket, SocketCell};
use crate::streams;
use crate::transport::Transport;

/// Lets hyper speak with one peer. Ends when hyper does (which after an upgrade leaves the socket to its new
/// owner), when the peer takes too long for something, or when the drain cuts.
pub(crate) async fn converse<S, B>(
    shared: &Shared,
    socket: Socket<Transport>,
    edge: Edge<S>,
    cell: Arc<SocketCell>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (io, mut given_back) = ServerIo::new(socket);
    let ending = cell.end(speak(shared, io, edge, &cell).await);
    // An upgraded socket belongs to its route.
    if let Ok(socket) = given_back.try_recv() {
        tokio::select! {
            biased;
            () = shared.cut.cancelled() => {}
            () = part(socket, ending, &cell) => {}
        }
    }
}

async fn speak<S, B>(
    shared: &Shared,
    io: ServerIo<Transport>,
    edge: Edge<S>,
    cell: &Arc<SocketCell>,
) -> Ending
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Tokens of its own: a wait on a shared one locks, at every wake-up, what all sockets share.
    let (drain, cut) = (shared.drain.child_token(), shared.cut.child_token());
    let mut hyper = pin!(shared.http.serve_connection_with_upgrades(TokioIo::new(io), edge));
    let mut draining = pin!(drain.cancelled());
    let mut cutting = pin!(cut.cancelled());
    let mut clock = pin!(Clock::new(shared.limits));
    let mut is_draining = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = hyper.as_mut().poll(cx) {
                return Poll::Ready(ending_of(result, is_draining));
            }
            if cutting.as_mut().poll(cx).is_ready() {
                // Known before the requests are dropped, which say so.
                return Poll::Ready(cell.end(Ending::Cut));
            }
            if !is_draining && draining.as_mut().poll(cx).is_ready() {
                is_draining = true;
                hyper.as_mut().graceful_shutdown();
                continue;
            }
            if cell.recent_resets() > shared.max_resets {
                return Poll::Ready(Ending::Resets);
            }
            match clock.as_mut().poll(cx, cell.phase(), cell.is_http2()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Phase::Idle) if cell.is_http2() => {
                    // A request may be on its way: the peer is told which ones count (RFC 9113 §6.8).
                    cell.retire();
                    hyper.as_mut().graceful_shutdown();
                }
                Poll::Ready(phase) => return Poll::Ready(late(phase)),
            }
        }
    })
    .await
}

/// How it ends when a phase lasted too long.
fn late(phase: Phase) -> Ending {
    match phase {
        Phase::Silent => Ending::Silent,
        Phase::FirstHead | Phase::Head => Ending::HeadElapsed,
        Phase::Idle => Ending::Idle,
        Phase::Writing | Phase::Retiring | Phase::Busy => Ending::Stalled,
    }
}

fn ending_of(result: Result<(), BoxError>, is_draining: bool) -> Ending {
    let Err(error) = result else {
        return Ending::Finished;
    };
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_parse_too_large() {
            return Ending::HeadTooLarge;
        }
        if error.is_parse() {
            return Ending::Malformed;
        }
    }
    // How the auto builder ends when it is told to before it has seen a version.
    let cancelled =
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::Interrupted);
    if is_draining && cancelled {
        return Ending::Finished;
    }
    tracing::debug!(%error, "socket failed");
    Ending::Failed
}

/// Runs the streams of HTTP/2 as tasks that the drain knows, and that end when nobody reads them.
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
        self.tasks.spawn(streams::watch(stream, self.stall));
    }
}
