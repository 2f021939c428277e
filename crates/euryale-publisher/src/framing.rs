//! How a request is published, and what that means for its answer.

use euryale_core::{Body, Ledger, Response, own_framing};
use http::{Method, StatusCode};

/// Makes of a publisher's response one that parses as exactly one response, and fits its request.
/// Its blob, or its deferred computation, is published for the layers outside.
pub(crate) fn own(response: Response, published_as: &Published, ledger: &Ledger) -> Response {
    let bodiless = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    let mut response = own_framing(response);
    // Before HEAD drops the body: a deferred response is computed for HEAD, too.
    Body::publish_handle(&mut response, ledger);
    if published_as.head && !bodiless {
        response.map(Body::head_only)
    } else {
        response
    }
}

/// How a request is published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    head: bool,
}

impl Published {
    /// `HEAD` is published as `GET` (RFC 9110 §9.3.2).
    pub(crate) fn with(method: &mut Method) -> Self {
        let head = *method == Method::HEAD;
        if head {
            *method = Method::GET;
        }
        Self { head }
    }
}
