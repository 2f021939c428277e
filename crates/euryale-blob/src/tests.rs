mod alone;
mod conditions;
mod disposition;
mod parts;
mod reading;

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use euryale_core::{Blob, Body, Ledger, Response};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use crate::ServeBlobLayer;

/// 2023-11-14T22:13:20Z plus half a second.
pub(crate) fn then() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_700_000_000, 500_000_000)
}

pub(crate) const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
pub(crate) const EARLIER: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
pub(crate) const LATER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";

/// Returns a file without a name that was changed long ago.
pub(crate) fn file_of(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.set_modified(then()).unwrap();
    file
}

pub(crate) fn blob_of(content: &[u8]) -> Blob {
    Blob::new(file_of(content)).unwrap()
}

/// Returns bytes of which each depends on its position, so that a misplaced byte is detected.
pub(crate) fn content(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

/// Returns a service that answers each request with the result of `make`.
pub(crate) fn serving(
    layer: &ServeBlobLayer,
    make: impl Fn() -> Response + Send + Sync + 'static,
) -> impl Service<Request<()>, Response = Response, Error = Infallible, Future: Send> + Clone {
    let make = Arc::new(make);
    layer.layer(service_fn(move |_: Request<()>| {
        let response = make();
        std::future::ready(Ok::<_, Infallible>(response))
    }))
}

pub(crate) fn layer() -> (ServeBlobLayer, Ledger) {
    let ledger = Ledger::new();
    (ServeBlobLayer::new().ledger(ledger.clone()), ledger)
}

/// Sends a `GET` with these fields to a service that returns the blob of `content`.
pub(crate) async fn get(content: &[u8], fields: &[(&str, &str)]) -> Answer {
    ask("GET", content, fields, &[]).await
}

/// Sends a request with any method to a service whose response has fields of its own.
pub(crate) async fn ask(
    method: &str,
    content: &[u8],
    fields: &[(&str, &str)],
    given: &[(&str, &str)],
) -> Answer {
    let (layer, ledger) = layer();
    let mut request = Request::builder().method(method);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let file = file_of(content);
    let given = headers(given);
    let service = serving(&layer, move || {
        let mut response = Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()));
        response.headers_mut().extend(given.clone());
        response
    });
    let answer = Answer::of(service.oneshot(request.body(()).unwrap()).await.unwrap()).await;
    euryale_test::assert_quiet(&ledger).await;
    answer
}

pub(crate) fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let parsed = list.iter().map(|(name, value)| {
        (
            name.parse::<http::HeaderName>().unwrap(),
            value.parse::<http::HeaderValue>().unwrap(),
        )
    });
    parsed.collect()
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The announced size.
    pub(crate) size: Option<u64>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let size = http_body::Body::size_hint(&body).exact();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            size,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
