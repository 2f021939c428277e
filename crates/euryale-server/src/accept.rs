//! The accept loop.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::{BoxError, Peer, PeerAddr};
use http::{Request, Response};
use hyper::body::Incoming;
use tower_service::Service;

use crate::conversation::converse;
use crate::edge::MakeEdge;
use crate::listener::Listener;
use crate::running::Shared;
use crate::sendfile::{self, Windows};
use crate::socket::{ServerIo, SocketCell};

/// Takes peers until it is told to stop, and closes the listener then.
pub(crate) async fn accept<S, B>(listener: Listener, make: MakeEdge<S>, shared: Arc<Shared>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut backoff = Backoff::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.tcp.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                backoff = Backoff::new();
                // hyper writes whole responses: waiting to fill a packet (Nagle) only delays their ends.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "could not set TCP_NODELAY");
                }
                let cell = Arc::new(SocketCell::new(shared.ledger.clone()));
                let windows = Windows::new(shared.ledger.clone());
                let io = sendfile::wrap(stream, &windows);
                let io = ServerIo::new(io, cell.clone(), shared.sockets.token());
                let edge = make.make(Peer::new(PeerAddr::Tcp(peer)), cell.clone(), windows);
                shared.tasks.spawn(converse(shared.clone(), io, edge, cell));
            }
            Err(error) if is_the_peers(error.kind()) => {
                tracing::debug!(%error, "a peer was gone before it was accepted");
            }
            Err(error) => {
                let pause = backoff.pause();
                tracing::warn!(%error, ?pause, "cannot accept");
                tokio::select! {
                    biased;
                    () = shared.stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Errors that used up one peer; the next accept sees the next one.
fn is_the_peers(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

/// How long to wait after an accept that failed. When descriptors or memory have run out, the peer stays in
/// the kernel's queue and the next accept fails at once: without a pause the loop would spin.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause
    }
}
