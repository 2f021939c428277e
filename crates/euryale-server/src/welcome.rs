//! A socket, from accept to the first byte of HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::{BoxError, Peer, PeerAddr};
use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use crate::conversation::converse;
use crate::edge::MakeEdge;
use crate::incoming::Incoming;
use crate::per_peer::Refused;
use crate::running::Shared;
use crate::sendfile::{SendfileIo, Windows};
use crate::socket::{Ending, Open, Socket, SocketCell};
use crate::transport::{Raw, Transport};

/// Takes in one peer: in a task of its own, so that no peer keeps others waiting.
pub(crate) async fn welcome<S, B>(
    raw: Raw,
    address: PeerAddr,
    permit: OwnedSemaphorePermit,
    make: MakeEdge<S>,
    shared: Arc<Shared>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let cell = Arc::new(SocketCell::new(shared.ledger.clone()));
    let mut open = Open::new(cell.clone(), shared.sockets.token(), Some(permit));
    let peer = Peer::new(address);
    match shared.per_peer.place(peer.address()) {
        Ok(place) => open.place = place,
        Err(Refused) => {
            cell.end(Ending::Refused);
            return;
        }
    }
    let (io, windows) = match raw {
        Raw::Tcp(stream) => {
            let windows = Windows::new(shared.ledger.clone());
            (Transport::Tcp(SendfileIo::new(stream, Arc::clone(&windows))), Some(windows))
        }
        #[cfg(unix)]
        Raw::Unix(stream) => (Transport::Unix(stream), None),
    };
    let edge = make.make(peer, cell.clone(), windows);
    converse(&shared, Socket { io, open }, edge, cell).await;
}
