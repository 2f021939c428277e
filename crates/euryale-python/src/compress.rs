//! Compresses texts by zstd or gzip, outside the chain of transforms.
//!
//! Only complete answers are compressed: a stream would wait in the encoder. The strong tag of a
//! page that is compressed becomes a weak one, as in nginx, because it names the bytes that the
//! application has made. A strong tag of other data, such as JSON, may come back in `If-Match`, so
//! such an answer keeps its tag and is not compressed.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use euryale::blob::{accept_identity, may_compress, vary_by_coding};
use euryale::{Body, Response};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use tower::{ServiceExt, service_fn};
use tower_http::compression::{Compression, CompressionLevel};
use tower_service::Service;

/// A smaller answer fits into a packet anyway.
const WORTH_IT: u64 = 1024;

/// The types of which pages are made. Their strong tags become weak ones.
const PAGES: [&str; 5] = [
    "text/html",
    "text/css",
    "text/javascript",
    "application/javascript",
    "image/svg+xml",
];

/// Other types that compress well.
const DATA: [&str; 9] = [
    "text/plain",
    "text/csv",
    "text/xml",
    "application/json",
    "application/ld+json",
    "application/problem+json",
    "application/xml",
    "application/atom+xml",
    "application/rss+xml",
];

/// Compresses the answers of `S` for clients that accept it.
#[derive(Clone)]
pub(crate) struct Compress<S>(S);

impl<S> Compress<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self(inner)
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S, B> Service<Request<B>> for Compress<S>
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
        let asked = Asked::of(&request);
        let answer = self.0.call(request);
        Box::pin(async move { Ok(asked.answer(answer.await?).await) })
    }
}

/// What a request says about codings.
struct Asked {
    is_head: bool,
    /// The fields `Accept-Encoding`, for the choice of a coding.
    accepted: Request<()>,
    if_none_match: Option<HeaderValue>,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let mut accepted = Request::new(());
        for value in request.headers().get_all(ACCEPT_ENCODING) {
            accepted
                .headers_mut()
                .append(ACCEPT_ENCODING, value.clone());
        }
        Self {
            is_head: request.method() == Method::HEAD,
            accepted: accept_identity(accepted),
            if_none_match: request.headers().get(IF_NONE_MATCH).cloned(),
        }
    }

    async fn answer(self, mut response: Response) -> Response {
        if response.status() == StatusCode::NOT_MODIFIED {
            self.answer_unmodified(response.headers_mut());
            return vary_by_coding(response);
        }
        let Some(kind) = Kind::of(&response) else {
            return response;
        };
        let may = |response: &Response, headers: &HeaderMap| {
            let extensions = response.extensions();
            may_compress(response.status(), response.version(), headers, extensions)
        };
        let is_free = match kind {
            // Its tag changes with it.
            Kind::Page => may(&response, &HeaderMap::new()),
            Kind::Data => may(&response, response.headers()),
        };
        if !is_free {
            return response;
        }
        let mut response = Some(response);
        let taken = service_fn(move |_: Request<()>| {
            ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
        });
        let compression = Compression::new(taken)
            .quality(CompressionLevel::Fastest)
            .compress_when(always);
        let mut compressed = match compression.oneshot(self.accepted).await {
            Ok(compressed) => compressed.map(Body::new),
            Err(never) => match never {},
        };
        if compressed.headers().contains_key(CONTENT_ENCODING) {
            weaken(compressed.headers_mut());
            if self.is_head {
                // The application may have left a body, whose length the server would send.
                compressed = compressed.map(|_| Body::empty());
            }
        }
        compressed
    }

    /// Gives a 304 the tag as the client has it, which is that of the page.
    fn answer_unmodified(&self, headers: &mut HeaderMap) {
        let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        let known = self.if_none_match.as_ref();
        let known = known
            .and_then(|tags| tags.to_str().ok())
            .unwrap_or_default();
        if tag.is_some_and(|tag| tag.starts_with('"') && known.contains(&format!("W/{tag}"))) {
            weaken(headers);
        }
    }
}

fn always(_: StatusCode, _: http::Version, _: &HeaderMap, _: &http::Extensions) -> bool {
    true
}

/// What an answer is that may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page,
    Data,
}

impl Kind {
    /// Returns the kind of a complete and uncoded text that is worth it.
    fn of(response: &Response) -> Option<Self> {
        if response.body().is_early() {
            return None;
        }
        let headers = response.headers();
        let length = match headers.get(CONTENT_LENGTH) {
            Some(length) => length.to_str().ok()?.parse().ok()?,
            None => response.body().size_hint().exact()?,
        };
        let is_whole =
            !headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(CONTENT_RANGE);
        if length < WORTH_IT || !is_whole {
            return None;
        }
        let media = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = media.split(';').next().unwrap_or_default().trim();
        let is_one = |types: &[&str]| types.iter().any(|one| essence.eq_ignore_ascii_case(one));
        match () {
            () if is_one(&PAGES) => Some(Self::Page),
            () if is_one(&DATA) => Some(Self::Data),
            () => None,
        }
    }
}

/// Makes a strong tag weak.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers
        .get(ETAG)
        .filter(|tag| tag.as_bytes().starts_with(b"\""))
    else {
        return;
    };
    let weak = [b"W/", tag.as_bytes()].concat();
    if let Ok(weak) = HeaderValue::from_bytes(&weak) {
        headers.insert(ETAG, weak);
    }
}
