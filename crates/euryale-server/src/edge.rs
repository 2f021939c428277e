//! The service that hyper itself calls, outside every middleware.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use euryale_core::{Body, BoxError, Peer};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::sendfile::{Windows, arm};
use crate::socket::SocketCell;
use crate::streams::{BlobStreams, Queued};

/// Makes an [`Edge`] for every socket.
#[derive(Clone, Debug)]
pub(crate) struct MakeEdge<S> {
    service: S,
}

impl<S: Clone> MakeEdge<S> {
    pub(crate) fn new(service: S) -> Self {
        Self { service }
    }

    pub(crate) fn make(&self, peer: Peer, cell: Arc<SocketCell>, windows: Arc<Windows>) -> Edge<S> {
        Edge { service: self.service.clone(), peer, cell, windows, streams: BlobStreams::new() }
    }
}

/// The innermost that still knows the socket: names the peer, gives the body its type, measures the head.
#[derive(Debug)]
pub(crate) struct Edge<S> {
    service: S,
    peer: Peer,
    cell: Arc<SocketCell>,
    windows: Arc<Windows>,
    streams: BlobStreams,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Edge<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = EdgeFuture<S>;

    fn call(&self, mut request: Request<Incoming>) -> EdgeFuture<S> {
        let parsed = Instant::now();
        self.cell.asked();
        request.extensions_mut().insert(self.peer.clone());
        let framing = match (request.version(), request.method()) {
            (Version::HTTP_2, &Method::HEAD) => Framing::HeadOnly,
            (Version::HTTP_2, _) => Framing::Multiplexed,
            _ => Framing::Plain,
        };
        EdgeFuture {
            state: State::Waiting { service: self.service.clone(), request },
            cell: self.cell.clone(),
            parsed,
            framing,
            windows: self.windows.clone(),
            streams: self.streams.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// HTTP/1: one response at a time, written to the socket by hyper; a body of HEAD is not sent.
    Plain,
    /// HTTP/2: who knows when it is written.
    Multiplexed,
    /// HEAD over HTTP/2, where hyper sends the body that it is given.
    HeadOnly,
}

pin_project! {
    pub(crate) struct EdgeFuture<S: Service<Request<Incoming>>> {
        #[pin]
        state: State<S, S::Future>,
        cell: Arc<SocketCell>,
        parsed: Instant,
        framing: Framing,
        windows: Arc<Windows>,
        streams: BlobStreams,
    }
}

pin_project! {
    /// Waiting ⇒ Called when the service is ready; Called ⇒ Queued when there are too many blobs already. Taken stands
    /// only between the first two.
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<S, F> {
        Waiting { service: S, request: Request<Incoming> },
        Called { #[pin] future: F },
        Queued { queued: Box<Queued> },
        Taken,
    }
}

impl<S, B> Future for EdgeFuture<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProj::Waiting { service, .. } = this.state.as_mut().project() {
            ready!(service.poll_ready(cx))?;
            if let StateOwned::Waiting { mut service, request } =
                this.state.as_mut().project_replace(State::Taken)
            {
                let future = service.call(request);
                this.state.set(State::Called { future });
            }
        }
        let response = match this.state.as_mut().project() {
            StateProj::Called { future } => ready!(future.poll(cx))?.map(Body::new),
            StateProj::Queued { queued } => {
                let response = ready!(queued.poll(cx));
                this.cell.record(*this.parsed);
                return Poll::Ready(Ok(response));
            }
            StateProj::Waiting { .. } | StateProj::Taken => return Poll::Pending,
        };
        let response = match this.framing {
            Framing::Plain => {
                arm(&response, this.windows);
                this.cell.given(*this.parsed);
                response
            }
            Framing::Multiplexed => match this.streams.admit(response) {
                Ok(response) => {
                    this.cell.record(*this.parsed);
                    response
                }
                Err(queued) => {
                    this.state.set(State::Queued { queued });
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
            Framing::HeadOnly => {
                this.cell.record(*this.parsed);
                without_body(response)
            }
        };
        Poll::Ready(Ok(response))
    }
}

/// The head that GET would have (RFC 9110 §9.3.2), and nothing after it.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let has_length =
        !status.is_informational() && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // A body of no bytes says nothing: the publisher may have left it out because this is HEAD.
    if let Some(length @ 1..) = response.body().size_hint().exact()
        && has_length
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}
