//! Parts that all answers share.

use std::sync::LazyLock;
use std::time::Instant;

use euryale_core::Body;
use euryale_core::error::Seldom;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};

pub(crate) const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Returns the answer to methods other than GET and HEAD (RFC 9110 §9.3.7, §15.5.6). One refusal in
/// 10 s is logged, with the number of those before it, because anybody who can connect can cause
/// it.
pub(crate) fn methods(method: &Method) -> Response<Body> {
    let mut response = if method == Method::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        static REFUSED: LazyLock<Seldom> = LazyLock::new(Seldom::new);
        if let Some(left_out) = REFUSED.due(Instant::now()) {
            tracing::warn!(
                %method,
                left_out,
                "refused: commands are accepted only at a Unix socket"
            );
        }
        page(
            StatusCode::METHOD_NOT_ALLOWED,
            PLAIN,
            "method not allowed\n",
        )
    };
    let known = HeaderValue::from_static("GET, HEAD, OPTIONS");
    response.headers_mut().insert(ALLOW, known);
    response
}

/// Redirects to the status page. The location is relative, because a proxy may serve these pages
/// below a prefix.
pub(crate) fn to_status() -> Response<Body> {
    let mut response = page(StatusCode::FOUND, PLAIN, "see /status\n");
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("status"));
    response
}

pub(crate) fn page(
    status: StatusCode,
    content_type: HeaderValue,
    text: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
