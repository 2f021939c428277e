//! Turns a response with a blob into the answer to its request.

use std::sync::Arc;
use std::time::SystemTime;

use euryale_core::body::{BlobHandle, BlobParts, ReadBlob};
use euryale_core::threads::BlockingLane;
use euryale_core::{Blob, Body, Ledger, Response};
use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body::Body as _;

use crate::asked::{Asked, Asking};
use crate::body::Multipart;
use crate::chunks::Reader;
use crate::conditions::{Verdict, judge};
use crate::range::{Selection, Span};
use crate::validators::Validators;

/// The settings for serving blobs.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) lane: BlockingLane,
    pub(crate) ledger: Ledger,
    ahead: Arc<Reader>,
    lazy: Arc<Reader>,
}

/// Header fields that describe only a 200.
const REPRESENTATION: [HeaderName; 6] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_DISPOSITION,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    ACCEPT_RANGES,
];
/// Digests of the whole content (RFC 9530 §2, and its predecessor), which would be wrong for a
/// part.
const DIGESTS: [&str; 2] = ["content-digest", "content-md5"];
/// Header fields that would let a cache store an error, and use it for later requests without the
/// field that caused it.
const CACHING: [HeaderName; 6] = [
    CACHE_CONTROL,
    EXPIRES,
    AGE,
    ETAG,
    LAST_MODIFIED,
    CONTENT_LOCATION,
];
const SURROGATES: [&str; 2] = ["cdn-cache-control", "surrogate-control"];

impl Serving {
    pub(crate) fn new(lane: BlockingLane, ledger: Ledger) -> Self {
        let ahead = Reader::ahead(&lane, &ledger);
        let lazy = Reader::lazy(&lane, &ledger);
        Self {
            ahead: Arc::new(ahead),
            lazy: Arc::new(lazy),
            lane,
            ledger,
        }
    }

    fn reader(&self, version: Version) -> &Arc<Reader> {
        if version < Version::HTTP_2 {
            &self.ahead
        } else {
            &self.lazy
        }
    }

    /// Returns the answer to the request. A response that is not plainly a whole blob is not
    /// changed, except that the layer's threads read its file.
    pub(crate) fn answer(&self, asked: &Asked, mut response: Response) -> Response {
        // The blob may not have passed through a `Publish`.
        Body::publish_handle(&mut response, &self.ledger);
        let Some(handle) = response.extensions().get::<BlobHandle>().cloned() else {
            return response;
        };
        let reader = self.reader(asked.version);
        handle.read_by(Arc::clone(reader) as Arc<dyn ReadBlob>);
        if asked.method == Asking::Other || !is_whole(&response, &handle, asked.method) {
            return response;
        }
        let Some(blob) = handle.blob() else {
            return response;
        };
        let validators = Validators::of(response.headers(), &blob, SystemTime::now());
        validators.write(response.headers_mut());
        let ranges = offers_ranges(response.headers_mut());
        match judge(asked, &validators, blob.len(), ranges) {
            Verdict::Send(Selection::Whole) if asked.method == Asking::Head => {
                head_only(response, blob.len())
            }
            Verdict::Send(Selection::Whole) => response,
            Verdict::Send(Selection::Parts(spans)) => match *spans {
                [span] => self.part(response, &blob, span, reader),
                // The `Content-Encoding` in the head would refer to the multipart body.
                _ if response.headers().contains_key(CONTENT_ENCODING) => response,
                _ => parts(response, &blob, &spans, reader),
            },
            Verdict::Send(Selection::Nothing) => {
                let mut response = refusal(response, StatusCode::RANGE_NOT_SATISFIABLE);
                response
                    .headers_mut()
                    .insert(CONTENT_RANGE, text(format!("bytes */{}", blob.len())));
                response
            }
            Verdict::NotModified => not_modified(response),
            Verdict::Failed => refusal(response, StatusCode::PRECONDITION_FAILED),
        }
    }

    /// Answers 206 with one part. The part is a blob again, so that an outer layer can still send
    /// it by `sendfile`.
    fn part(
        &self,
        mut response: Response,
        blob: &Blob,
        span: Span,
        reader: &Arc<Reader>,
    ) -> Response {
        forget_blob(&mut response);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let headers = response.headers_mut();
        remove(headers, &[CONTENT_LENGTH], &DIGESTS);
        let range = text(format!("bytes {}-{}/{}", span.first, span.last, blob.len()));
        headers.insert(CONTENT_RANGE, range);
        let mut response = response.map(|_| Body::from(blob.slice(span.first, span.len())));
        Body::publish_handle(&mut response, &self.ledger);
        if let Some(handle) = response.extensions().get::<BlobHandle>() {
            handle.read_by(Arc::clone(reader) as Arc<dyn ReadBlob>);
        }
        response
    }
}

/// Returns whether the body is the whole blob of the handle. A middleware may have encoded or
/// replaced it. If the blob itself is encoded, ranges select its encoded bytes (RFC 9110 §14.1.2,
/// §8.4).
pub(crate) fn is_whole(response: &Response, handle: &BlobHandle, method: Asking) -> bool {
    let headers = response.headers();
    let len = handle.len();
    let size = response.body().size_hint().exact();
    // axum's Router removes the body of an answer to HEAD, but keeps its length in the head.
    let is_emptied = method == Asking::Head
        && size == Some(0)
        && headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok())
            == Some(len);
    response.status() == StatusCode::OK
        && is_coded_as(headers, handle)
        && !headers.contains_key(CONTENT_RANGE)
        && (size == Some(len) || is_emptied)
}

/// Returns whether the head names the same content coding as the blob, or none.
fn is_coded_as(headers: &HeaderMap, handle: &BlobHandle) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = codings.next() else {
        return true;
    };
    let own = handle.blob().and_then(|blob| blob.coding());
    codings.next().is_none() && own.is_some_and(|own| first.as_bytes() == own.as_bytes())
}

/// Sets `Accept-Ranges: bytes`, unless the publisher sent this field (RFC 9110 §14.3).
fn offers_ranges(headers: &mut HeaderMap) -> bool {
    let said = headers
        .entry(ACCEPT_RANGES)
        .or_insert(HeaderValue::from_static("bytes"));
    said.as_bytes().eq_ignore_ascii_case(b"bytes")
}

fn head_only(mut response: Response, len: u64) -> Response {
    // The handle stays, without its blob, so that outer layers can tell that a GET is answered with
    // a blob.
    if let Some(handle) = response.extensions().get::<BlobHandle>() {
        handle.take();
    }
    response.headers_mut().insert(CONTENT_LENGTH, len.into());
    response.map(|_| Body::head_of_length(len))
}

/// Answers 206 with several parts. `Content-Range` is in each part, and not in the head (RFC 9110
/// §15.3.7.2).
fn parts(mut response: Response, blob: &Blob, spans: &[Span], reader: &Reader) -> Response {
    forget_blob(&mut response);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    remove(headers, &[CONTENT_LENGTH], &DIGESTS);
    let (body, media) = Multipart::new(reader, blob, spans, headers.get(CONTENT_TYPE));
    headers.insert(CONTENT_TYPE, media);
    response.extensions_mut().insert(BlobParts);
    response.map(|_| Body::new(body))
}

/// Answers 304 with the fields of the 200 that RFC 9110 §15.4.5 requires, and with `Last-Modified`
/// only if there is no tag.
fn not_modified(mut response: Response) -> Response {
    forget_blob(&mut response);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    remove(headers, &REPRESENTATION, &DIGESTS);
    if headers.contains_key(ETAG) {
        headers.remove(LAST_MODIFIED);
    }
    response.map(|_| Body::empty())
}

/// Answers 412 or 416, which no cache may store.
fn refusal(mut response: Response, status: StatusCode) -> Response {
    forget_blob(&mut response);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    remove(headers, &REPRESENTATION, &DIGESTS);
    remove(headers, &CACHING, &SURROGATES);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.map(|_| Body::empty())
}

/// Removes the handle of the blob from a response whose body is about to be replaced.
pub(crate) fn forget_blob(response: &mut Response) {
    if let Some(handle) = response.extensions_mut().remove::<BlobHandle>() {
        handle.take();
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName], others: &[&str]) {
    for name in names {
        headers.remove(name);
    }
    for name in others {
        headers.remove(*name);
    }
}

fn text(value: String) -> HeaderValue {
    // The value consists of ASCII digits and punctuation, so it is always valid.
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
