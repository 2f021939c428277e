//! Writes one line for each request to the logger `euryale.access`.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use euryale::Response;
use euryale::forwarded::Client;
use euryale::request::Peer;
use http::header::{HeaderName, REFERER, USER_AGENT};
use http::{HeaderMap, Request};
use tower_service::Service;

use crate::log;

/// The status that nginx logs for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The level `logging.INFO` of Python.
const INFO: u8 = 20;

/// Logs each request when the head of its response is ready or its client has disconnected:
/// `192.0.2.7 "GET / HTTP/1.1" 200 512 "referer" "user agent" 0.003`, with the seconds until the
/// head. `logging` adds the time of day.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog<S>(S);

impl<S> AccessLog<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self(inner)
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S, B> Service<Request<B>> for AccessLog<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let mut line = Unanswered(Some(Line::new(&request)));
        let answer = self.0.call(request);
        Box::pin(async move {
            let response = answer.await?;
            if let Some(line) = line.0.take() {
                let bytes = http_body::Body::size_hint(response.body()).exact();
                line.write(response.status().as_u16(), bytes);
            }
            Ok(response)
        })
    }
}

/// A request that has no answer yet. If this is dropped, its client has disconnected.
struct Unanswered(Option<Line>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.write(CLIENT_CLOSED_REQUEST, None);
        }
    }
}

struct Line {
    client: Option<IpAddr>,
    asked: String,
    referer: String,
    agent: String,
    began: Instant,
}

impl Line {
    fn new<B>(request: &Request<B>) -> Self {
        let extensions = request.extensions();
        let peer = || {
            extensions
                .get::<Peer>()
                .and_then(|peer| peer.address().ip())
        };
        let client = Client::of(extensions).map_or_else(peer, |client| client.ip());
        let target = request
            .uri()
            .path_and_query()
            .map_or("*", |target| target.as_str());
        let method = request.method();
        Self {
            client,
            asked: quoted(&format!("{method} {target} {:?}", request.version())),
            referer: field(request.headers(), &REFERER),
            agent: field(request.headers(), &USER_AGENT),
            began: Instant::now(),
        }
    }

    fn write(self, status: u16, bytes: Option<u64>) {
        let client = self.client.map_or_else(|| "-".into(), |ip| ip.to_string());
        let bytes = bytes.map_or_else(|| "-".into(), |bytes| bytes.to_string());
        let seconds = self.began.elapsed().as_secs_f64();
        let Self {
            asked,
            referer,
            agent,
            ..
        } = self;
        let text = format!("{client} {asked} {status} {bytes} {referer} {agent} {seconds:.3}");
        log::say(INFO, "euryale.access", text);
    }
}

/// Returns the value of a field in quotes.
fn field(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    quoted(value.as_deref().unwrap_or("-"))
}

/// Returns the text in quotes. Characters that could end the quotes or the line are escaped,
/// because even a request target may contain quotes.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}
