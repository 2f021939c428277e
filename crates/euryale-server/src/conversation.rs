//! One socket, from accept to close.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::BoxError;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::edge::Edge;
use crate::running::Shared;
use crate::socket::{Ending, ServerIo, SocketCell};

/// Lets hyper speak with one peer. Ends when hyper does (which after an upgrade leaves the socket to its new
/// owner), when the first head does not come in time, or when the drain cuts.
pub(crate) async fn converse<T, S, B>(
    shared: Arc<Shared>,
    io: ServerIo<T>,
    edge: Edge<S>,
    cell: Arc<SocketCell>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
    // hyper's own timer starts with the first byte that is no HTTP/2 preface: a peer that sends nothing, or a
    // part of the preface, never meets it.
    let mut first_head = pin!(tokio::time::sleep(shared.head_timeout));
    let mut is_draining = false;
    let mut awaits_first_head = true;
    let ending = loop {
        tokio::select! {
            biased;
            result = hyper.as_mut() => break ending_of(result, &cell, is_draining),
            () = cutting.as_mut() => break Ending::Cut,
            () = draining.as_mut(), if !is_draining => {
                is_draining = true;
                hyper.as_mut().graceful_shutdown();
            }
            () = first_head.as_mut(), if awaits_first_head => {
                awaits_first_head = false;
                if !cell.was_asked() {
                    break Ending::HeadElapsed;
                }
            }
        }
    };
    cell.end(ending);
}

fn ending_of(result: Result<(), BoxError>, cell: &SocketCell, is_draining: bool) -> Ending {
    let Err(error) = result else {
        return Ending::Finished;
    };
    let timed_out = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout);
    if timed_out {
        return if cell.is_idle() { Ending::Finished } else { Ending::HeadElapsed };
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

/// Runs the streams of HTTP/2 as tasks that the drain knows.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) tasks: TaskTracker,
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(future);
    }
}
