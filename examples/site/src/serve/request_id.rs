//! An id for each request, with which its lines can be found in the logs of the proxy and the site.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::Response;
use euryale::forwarded::Client;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use pin_project_lite::pin_project;
use tower::Service;
use tower_layer::Layer;
use tracing::Instrument;
use tracing::instrument::Instrumented;

/// The name that nginx, HAProxy and others use.
const FIELD: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are replaced.
const LONGEST: usize = 128;

/// The id of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The value of the only field of its name, if it needs no escapes in a log.
    fn sent(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(FIELD).iter();
        let id = fields.next().filter(|id| is_valid(id.as_bytes()))?;
        fields.next().is_none().then(|| Self(id.clone()))
    }
}

/// The characters of UUIDs, base64, addresses and counters are valid.
fn is_valid(id: &[u8]) -> bool {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(is_fit)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Makes ids: 128 bits in hexadecimal, as nginx's `$request_id`. A counter is hashed with random
/// keys, so that ids do not tell the number of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestIds(Arc<Ids>);

#[derive(Debug, Default)]
struct Ids {
    keys: [RandomState; 2],
    made: AtomicU64,
}

impl RequestIds {
    fn make(&self) -> RequestId {
        let number = self.0.made.fetch_add(1, Ordering::Relaxed);
        let [high, low] = &self.0.keys;
        let high = high.hash_one(number);
        let low = low.hash_one(number);
        let id = HeaderValue::try_from(format!("{high:016x}{low:016x}"));
        // Digits are a value of a field.
        RequestId(id.unwrap_or(HeaderValue::from_static("-")))
    }
}

/// Gives each request an id: that of a trusted proxy, or else a new one. It is in the head of the
/// request and of the response, and in the span of all that is logged for the request.
///
/// It runs inside the layer that decides which proxies are trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestIdLayer {
    ids: RequestIds,
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = Identified<S>;

    fn layer(&self, inner: S) -> Identified<S> {
        Identified {
            inner,
            ids: self.ids.clone(),
        }
    }
}

/// Made by [`RequestIdLayer`].
#[derive(Clone)]
pub(crate) struct Identified<S> {
    inner: S,
    ids: RequestIds,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Identified<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = IdentifiedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let is_proxied = Client::of(request.extensions()).is_some_and(|client| client.is_proxied());
        let sent = RequestId::sent(request.headers()).filter(|_| is_proxied);
        let id = sent.unwrap_or_else(|| self.ids.make());
        request.headers_mut().insert(FIELD, id.0.clone());
        request.extensions_mut().insert(id.clone());
        // The highest level: a filter that lets through only errors keeps their ids.
        let span = tracing::error_span!("request", %id);
        let inner = span.in_scope(|| self.inner.call(request));
        IdentifiedFuture {
            inner: inner.instrument(span),
            id,
        }
    }
}

pin_project! {
    pub(crate) struct IdentifiedFuture<F> {
        #[pin]
        inner: Instrumented<F>,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response, E>>, E> Future for IdentifiedFuture<F> {
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        response.headers_mut().insert(FIELD, this.id.0.clone());
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sent(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FIELD, value.parse().unwrap());
        }
        RequestId::sent(&headers).map(|id| id.to_string())
    }

    #[test]
    fn id_that_is_long_repeated_or_could_break_a_line_is_not_accepted() {
        let longest = "a".repeat(128);
        let uuid = "018f9b1e-7c1d-7e0a-8d1c-2b3f4a5c6d7e";
        let haproxy = "7F000001:8B1E_7F000001:0050_65A1_0001:1F2A";
        for id in [uuid, haproxy, "a", &longest] {
            assert_eq!(sent(&[id]).as_deref(), Some(id));
        }
        let too_long = "a".repeat(129);
        for id in ["", "a b", "a\"b", "a\\b", "a\tb", "a,b", &too_long] {
            assert_eq!(sent(&[id]), None, "{id}");
        }
        assert_eq!(sent(&["a", "b"]), None);
        assert_eq!(sent(&[]), None);
    }

    #[test]
    fn made_ids_are_valid_and_differ() {
        let ids = RequestIds::default();
        let other = RequestIds::default();
        let made: HashSet<String> = (0..1000)
            .flat_map(|_| [ids.make().to_string(), other.make().to_string()])
            .collect();
        assert_eq!(made.len(), 2000);
        let is_right = |id: &String| id.len() == 32 && is_valid(id.as_bytes());
        assert!(made.iter().all(is_right));
    }
}
