//! The service that hyper calls, outside all middleware.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use euryale_core::request::Peer;
use euryale_core::{Body, BoxError};
use euryale_sendfile::{Windows, arm};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::calendar::CALENDAR;
use crate::framing::{self, Refusal};
use crate::incoming::{Incoming, Pace};
use crate::outgoing::Outgoing;
use crate::polls::Polls;
use crate::slowest::{Slowest, Watched};
use crate::socket::{Ending, RunningRequest, SocketCell};
use crate::streams::{BlobStreams, Queued, Sending};
use crate::terms::Terms;

/// Makes an [`Edge`] for every socket.
#[derive(Clone, Debug)]
pub(crate) struct MakeEdge<S> {
    service: S,
    common: Arc<Common>,
    slowest: Option<Slowest>,
}

/// State that all sockets share.
#[derive(Debug)]
struct Common {
    is_draining: Arc<AtomicBool>,
    polls: Option<Polls>,
}

impl<S: Clone> MakeEdge<S> {
    /// Once `is_draining` is true, each HTTP/1 answer is the last one on its socket.
    pub(crate) fn new(
        service: S,
        is_draining: Arc<AtomicBool>,
        (slowest, polls): (Option<Slowest>, Option<Polls>),
    ) -> Self {
        let common = Common { is_draining, polls };
        Self {
            service,
            common: Arc::new(common),
            slowest,
        }
    }

    /// `windows` is for sockets that can send files by `sendfile(2)`.
    pub(crate) fn make(
        &self,
        peer: Peer,
        cell: Arc<SocketCell>,
        windows: Option<Windows>,
        terms: &Terms,
    ) -> Edge<S> {
        let service = self.service.clone();
        Edge {
            service,
            peer,
            cell,
            windows,
            streams: BlobStreams::new(),
            pace: terms.pace,
            max_target: terms.max_target,
            common: Arc::clone(&self.common),
            slowest: self.slowest.clone(),
        }
    }
}

/// The innermost service that has access to the socket. It adds the peer, wraps the body, and
/// measures the time to the head.
#[derive(Clone, Debug)]
pub(crate) struct Edge<S> {
    service: S,
    peer: Peer,
    cell: Arc<SocketCell>,
    windows: Option<Windows>,
    streams: BlobStreams,
    pace: Pace,
    max_target: usize,
    common: Arc<Common>,
    slowest: Option<Slowest>,
}

impl<S, B> hyper::service::Service<Request<hyper::body::Incoming>> for Edge<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = EdgeFuture<S>;

    fn call(&self, request: Request<hyper::body::Incoming>) -> EdgeFuture<S> {
        let parsed = Instant::now();
        let method = request.method().clone();
        let uri = request.uri().clone();
        let version = request.version();
        let is_http2 = version == Version::HTTP_2;
        let with_body = !request.body().is_end_stream();
        let watched = self
            .slowest
            .as_ref()
            .map(|slowest| Box::new(Watched::new(slowest)));
        let times = watched.as_ref().map(|watched| watched.times());
        let running = self.cell.asked(is_http2, with_body, method, uri, watched);
        let mut request = request.map(|body| Incoming::new(body, &self.cell, self.pace));
        let verdict = framing::check(&mut request, self.max_target);
        request.extensions_mut().insert(self.peer.clone());
        if let Some(times) = times {
            request.extensions_mut().insert(times);
        }
        let framing = match (version, request.method()) {
            (Version::HTTP_2, &Method::HEAD) => Framing::HeadOnly,
            (Version::HTTP_2, _) => Framing::Multiplexed,
            _ => Framing::Plain,
        };
        let state = match verdict {
            Ok(()) => State::Waiting {
                service: self.service.clone(),
                request,
            },
            Err(refusal) => {
                refused(&self.cell, &self.peer, &refusal.why);
                State::Refused { refusal }
            }
        };
        EdgeFuture {
            state,
            running: Some(running),
            parsed,
            version,
            framing,
            windows: self.windows.clone(),
            streams: self.streams.clone(),
            common: Arc::clone(&self.common),
        }
    }
}

impl<S> Edge<S> {
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// Counts and logs a request that is refused before the service is called.
pub(crate) fn refused(cell: &SocketCell, peer: &Peer, why: &dyn fmt::Display) {
    cell.book.requests_refused.add(1);
    tracing::info!(peer = %peer.address(), %why, "request refused");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// HTTP/1: hyper writes one response at a time, and sends no body for HEAD.
    Plain,
    /// HTTP/2: it is unknown when a response is written.
    Multiplexed,
    /// HEAD over HTTP/2, where hyper would send the body.
    HeadOnly,
}

pin_project! {
    pub(crate) struct EdgeFuture<S: Service<Request<Incoming>>> {
        #[pin]
        state: State<S, S::Future>,
        // `None` after the response was returned.
        running: Option<RunningRequest>,
        parsed: Instant,
        version: Version,
        framing: Framing,
        windows: Option<Windows>,
        streams: BlobStreams,
        common: Arc<Common>,
    }
}

pin_project! {
    /// Waiting ⇒ Called when the service is ready; Called ⇒ Queued when there are too many blobs
    /// already. Taken occurs only between the first two; Refused are requests that are not passed
    /// to the service.
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<S, F> {
        Waiting { service: S, request: Request<Incoming> },
        Called { #[pin] future: F },
        Queued { queued: Box<Queued> },
        Refused { refusal: Refusal },
        Taken,
    }
}

impl<S, B> Future for EdgeFuture<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<Outgoing>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Until the end of this poll.
        let _polled = match (&this.common.polls, &this.running) {
            (Some(polls), Some(running)) => Some(running.is_polled(polls)),
            _ => None,
        };
        if let StateProj::Waiting { service, .. } = this.state.as_mut().project() {
            ready!(service.poll_ready(cx))?;
            if let StateOwned::Waiting {
                mut service,
                request,
            } = this.state.as_mut().project_replace(State::Taken)
            {
                let future = service.call(request);
                this.state.set(State::Called { future });
            }
        }
        let response = match this.state.as_mut().project() {
            StateProj::Called { future } => ready!(future.poll(cx))?.map(Body::new),
            StateProj::Queued { queued } => {
                let response = ready!(queued.poll(cx));
                let response = dated(response);
                return give(this.running, *this.framing, *this.parsed, response);
            }
            StateProj::Refused { refusal } => {
                refusal_of(*refusal, *this.framing, this.running.as_ref())
            }
            StateProj::Waiting { .. } | StateProj::Taken => return Poll::Pending,
        };
        let response = match this.framing {
            Framing::Plain => {
                if let Some(windows) = this.windows {
                    arm(&response, windows);
                }
                if let Some(running) = this.running
                    && framing::ends_by_close(*this.version, &response)
                {
                    running.cell().ends_body();
                }
                if this.common.is_draining.load(Ordering::Relaxed) {
                    if let Some(running) = this.running {
                        running.cell().is_no_longer_reusable();
                    }
                    last(response)
                } else {
                    response
                }
            }
            Framing::Multiplexed => match this.streams.admit(response) {
                Ok(response) => response,
                Err(queued) => {
                    this.state.set(State::Queued { queued });
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
            Framing::HeadOnly => without_body(response),
        };
        let response = dated(response);
        give(this.running, *this.framing, *this.parsed, response)
    }
}

/// Adds `Date` if hyper's own would be wrong.
fn dated(mut response: Response<Body>) -> Response<Body> {
    if let Some(date) = CALENDAR.correction(SystemTime::now())
        && !response.headers().contains_key(DATE)
    {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// Returns the response to hyper.
fn give(
    running: &mut Option<RunningRequest>,
    framing: Framing,
    parsed: Instant,
    response: Response<Body>,
) -> Poll<Result<Response<Outgoing>, Infallible>> {
    // The response is returned only once.
    let Some(mut running) = running.take() else {
        return Poll::Pending;
    };
    running.answered(response.status());
    let sending = match framing {
        Framing::Plain => {
            running.cell().given(parsed);
            None
        }
        Framing::Multiplexed | Framing::HeadOnly => {
            running.cell().record(parsed);
            let sending = Sending::current();
            if let Some(sending) = &sending {
                sending.is_of(running.cell());
            }
            sending
        }
    };
    Poll::Ready(Ok(
        response.map(|body| Outgoing::new(body, running, sending))
    ))
}

/// The response tells the peer not to send another request on this socket. hyper may notice the
/// drain only after it has written the answer. A proxy would then send its next request into a
/// socket that is being closed.
fn last(mut response: Response<Body>) -> Response<Body> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The bytes that follow on the socket cannot be trusted to be a request.
fn refusal_of(
    refusal: Refusal,
    framing: Framing,
    running: Option<&RunningRequest>,
) -> Response<Body> {
    let Refusal { status, why } = refusal;
    let mut response = Response::new(Body::from(format!("{status}: {why}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if framing == Framing::Plain {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(running) = running {
            running.cell().blame(match status {
                StatusCode::URI_TOO_LONG => Ending::TargetTooLong,
                _ => Ending::Malformed,
            });
        }
    }
    response
}

/// Removes the body and keeps the head that GET would have (RFC 9110 §9.3.2).
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let has_length = !status.is_informational()
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // An empty body has no meaning, because the publisher may have left it out for HEAD.
    if let Some(length @ 1..) = response.body().size_hint().exact()
        && has_length
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}
