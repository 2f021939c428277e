//! Handles a socket from its accept to the first byte of HTTP.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::BoxError;
use euryale_core::request::{Peer, PeerAddr};
use euryale_sendfile::{SendfileIo, Windows};
use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::context::ServerContext;
use crate::conversation::{FIRST_WORD, converse, is_to_go};
use crate::edge::MakeEdge;
use crate::incoming::Incoming;
use crate::listener::Before;
use crate::per_peer::Refused;
use crate::proxy_protocol;
use crate::socket::{Ending, Open, Socket, SocketCell};
use crate::terms::Terms;
use crate::transport::{Raw, Transport};

/// Accepts one peer, in a task of its own, so that no peer keeps others waiting.
pub(crate) async fn welcome<S, B>(
    raw: Raw,
    address: PeerAddr,
    before: Before,
    permit: OwnedSemaphorePermit,
    make: MakeEdge<S>,
    shared: Arc<ServerContext>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let terms = shared.admission.terms();
    let cell = Arc::new(SocketCell::new(Arc::clone(&shared.book)));
    cell.is_reusable(shared.reusable.token());
    let mut open = Open::new(
        cell.clone(),
        &shared.opened,
        shared.sockets.token(),
        Some(permit),
    );
    let greeted = async {
        let place = |of| {
            shared
                .admission
                .per_peer
                .place(of)
                .map_err(|Refused| Ending::Refused)
        };
        // The client behind a balancer is known only after its header. All other peers take their
        // place from the start, because sockets in a handshake also count.
        let is_balancer = before.is_balancer(address);
        if !is_balancer {
            open.place = place(address)?;
        }
        if before.is_plain(address) {
            return Ok(transport(raw, Peer::new(address), &shared));
        }
        // Boxed, because few sockets need the space, and none for long.
        let greeting = greet(raw, address, &before, &shared, &terms);
        let greeted = Box::pin(in_time(greeting, &shared)).await?;
        if is_balancer {
            open.place = place(greeted.peer.address())?;
        }
        Ok(greeted)
    };
    match greeted.await {
        Ok(Greeted { io, peer, windows }) => {
            let edge = make.make(peer, cell.clone(), windows, &terms);
            converse(&shared, &terms, Socket { io, open }, edge, cell).await;
        }
        Err(ending) => {
            cell.end(ending);
        }
    }
}

/// Limits the time of a handshake. A drain waits for it as long as for a first request.
async fn in_time(
    greeting: impl Future<Output = Result<Greeted, Ending>>,
    shared: &ServerContext,
) -> Result<Greeted, Ending> {
    let drained = async {
        shared.close_idle.cancelled().await;
        sleep(FIRST_WORD).await;
    };
    tokio::select! {
        biased;
        () = shared.cut.cancelled() => Err(Ending::Cut),
        greeted = greeting => greeted,
        // There was no request yet.
        () = drained => Err(Ending::Finished),
        () = is_to_go(shared) => Err(Ending::Silent),
    }
}

/// A peer that is ready to speak HTTP.
struct Greeted {
    io: Transport,
    peer: Peer,
    windows: Option<Windows>,
}

impl Before {
    fn is_plain(&self, address: PeerAddr) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        !self.is_balancer(address)
    }

    fn is_balancer(&self, address: PeerAddr) -> bool {
        self.proxy.as_ref().is_some_and(|names| names(address))
    }
}

fn transport(raw: Raw, peer: Peer, shared: &ServerContext) -> Greeted {
    match raw {
        Raw::Tcp(stream) => {
            let io = SendfileIo::new(stream, shared.sendfile.clone());
            let windows = io.windows().clone();
            Greeted {
                io: Transport::Tcp(io),
                peer,
                windows: Some(windows),
            }
        }
        #[cfg(unix)]
        Raw::Unix(stream) => Greeted {
            io: Transport::Unix(stream),
            peer,
            windows: None,
        },
    }
}

/// Reads the balancer's header, and performs the handshake.
async fn greet(
    mut raw: Raw,
    address: PeerAddr,
    before: &Before,
    shared: &ServerContext,
    terms: &Terms,
) -> Result<Greeted, Ending> {
    let mut peer = Peer::new(address);
    if before.is_balancer(address) {
        let header = timeout(terms.handshake_timeout, proxy_protocol::read(&mut raw)).await;
        let Ok(Ok(header)) = header else {
            tracing::debug!(%address, "no PROXY header from a balancer");
            return Err(Ending::Proxy);
        };
        if header.is_tls {
            peer = peer.over_tls(header.server_name.as_deref());
        }
        if let Some(source) = header.source {
            peer = peer.speaks_for(source);
        }
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &before.tls {
        let handshake = timeout(terms.handshake_timeout, crate::tls::handshake(tls, raw)).await;
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            failed => {
                let error = failed.map_or_else(
                    |late| late.to_string(),
                    |failed| format!("{:?}", failed.err()),
                );
                tracing::debug!(%address, error, "TLS handshake failed");
                return Err(Ending::Handshake);
            }
        };
        let peer = peer.over_tls(stream.get_ref().1.server_name());
        return Ok(Greeted {
            io: Transport::Tls(stream),
            peer,
            windows: None,
        });
    }
    Ok(transport(raw, peer, shared))
}
