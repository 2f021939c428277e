//! `sendfile(2)` under plain `axum::serve`.
//!
//! The crate's root has an example. Handlers get the peer's address as `ConnectInfo<SocketAddr>`
//! and as [`Peer`].

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use euryale_core::Ledger;
use euryale_core::request::{Peer, PeerAddr};
use http::Version;
use pin_project_lite::pin_project;
use tokio::net::TcpListener;
use tower_service::Service;

use crate::{SendfileCounts, SendfileIo, Windows, arm, limit_unsent};

/// A listener whose sockets send files with `sendfile(2)`.
#[derive(Debug)]
pub struct SendfileListener {
    tcp: TcpListener,
    counts: SendfileCounts,
}

impl SendfileListener {
    /// Accepts peers from `tcp`.
    pub fn new(tcp: TcpListener) -> Self {
        if let Err(error) = limit_unsent(&tcp) {
            tracing::debug!(%error, "could not set TCP_NOTSENT_LOWAT");
        }
        Self {
            tcp,
            counts: SendfileCounts::new(Ledger::new()),
        }
    }

    /// Counts blobs in this ledger. Default: one of its own.
    #[must_use]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.counts = SendfileCounts::new(ledger);
        self
    }
}

impl Listener for SendfileListener {
    type Io = SendfileIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (SendfileIo, SocketAddr) {
        // axum's own `accept` pauses after errors.
        let (stream, peer) = Listener::accept(&mut self.tcp).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "could not set TCP_NODELAY");
        }
        (SendfileIo::new(stream, self.counts.clone()), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves `app` on the sockets of a [`SendfileListener`]. Do not put middleware around the result.
pub fn sendfile<S>(app: S) -> MakeSendfile<S> {
    MakeSendfile { inner: app }
}

/// Makes a service for each socket; made by [`sendfile`].
#[derive(Clone, Debug)]
pub struct MakeSendfile<S> {
    inner: S,
}

euryale_core::inner_service!(MakeSendfile<S>);

impl<S: Clone> Service<IncomingStream<'_, SendfileListener>> for MakeSendfile<S> {
    type Response = Sendfile<S>;
    type Error = Infallible;
    type Future = Ready<Result<Sendfile<S>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, socket: IncomingStream<'_, SendfileListener>) -> Self::Future {
        let windows = socket.io().windows().clone();
        let address = *socket.remote_addr();
        let peer = Peer::new(PeerAddr::Tcp(address));
        ready(Ok(Sendfile {
            inner: self.inner.clone(),
            windows,
            address,
            peer,
        }))
    }
}

/// The service of one socket; made by [`MakeSendfile`].
#[derive(Clone, Debug)]
pub struct Sendfile<S> {
    inner: S,
    windows: Windows,
    address: SocketAddr,
    peer: Peer,
}

euryale_core::inner_service!(Sendfile<S>);

impl<S> Service<Request> for Sendfile<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = SendfileFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.address));
        request.extensions_mut().insert(self.peer.clone());
        // HTTP/2 would add frames to the bytes.
        let is_plain = request.version() < Version::HTTP_2;
        let windows = is_plain.then(|| self.windows.clone());
        SendfileFuture {
            answer: self.inner.call(request),
            windows,
        }
    }
}

pin_project! {
    /// The future of [`Sendfile`].
    #[derive(Debug)]
    pub struct SendfileFuture<F> {
        #[pin]
        answer: F,
        windows: Option<Windows>,
    }
}

impl<F, E> Future for SendfileFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        if let (Ok(response), Some(windows)) = (&answer, this.windows) {
            arm(response, windows);
        }
        Poll::Ready(answer)
    }
}
