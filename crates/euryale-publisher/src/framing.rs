//! Adapts a publisher's response to the way in which its request was published.

use euryale_core::body::own_framing;
use euryale_core::{Body, Ledger, Response};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use http_body::Body as _;

/// Makes sure that a publisher's response parses as exactly one response and fits its request. Adds
/// a handle to its blob, or to its deferred computation, to the extensions for outer layers.
pub(crate) fn own(response: Response, published_as: &Published, ledger: &Ledger) -> Response {
    let bodiless = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    let declared = match published_as {
        Published::OwnHead => declared_length(&response),
        Published::AsItIs | Published::HeadAsGet => None,
    };
    let mut response = own_framing(response);
    // This happens before the body of an answer to HEAD is dropped, because a deferred response is
    // computed for HEAD as well.
    Body::publish_handle(&mut response, ledger);
    if bodiless || matches!(published_as, Published::AsItIs) {
        return response;
    }
    match declared {
        Some(len) if response.body().is_end_stream() => response.map(|_| Body::head_of_length(len)),
        _ => response.map(Body::head_only),
    }
}

/// Returns the length that the header fields declare.
fn declared_length(response: &Response) -> Option<u64> {
    let length = response.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The way in which a request is published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Published {
    /// By its own method, which is not HEAD.
    AsItIs,
    /// HEAD as GET (RFC 9110 §9.3.2).
    HeadAsGet,
    /// HEAD, for a publisher that answers it itself.
    OwnHead,
}

impl Published {
    pub(crate) fn with(method: &mut Method, answers_head: bool) -> Self {
        if *method != Method::HEAD {
            return Self::AsItIs;
        }
        if answers_head {
            return Self::OwnHead;
        }
        *method = Method::GET;
        Self::HeadAsGet
    }
}
