//! A request that is answered 400.

use euryale_core::{Body, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

/// What cannot be read, and so not be believed in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Malformed {
    /// As RFC 9457 has it. Nothing of the request is repeated.
    pub(crate) fn response(self) -> Response {
        let detail = self.0;
        let problem = format!(
            "{{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\
             \"detail\":\"This cannot be read: {detail}.\"}}\n"
        );
        let mut response = Response::new(Body::from(problem));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, problem);
        response
    }
}
