//! Responses to requests that the layers refuse.

use euryale_core::{Body, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

/// The name of a malformed field. No part of such a field is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Malformed(Malformed),
    /// The host does not belong to the application.
    Misdirected,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Refusal {
    /// Returns a problem response (RFC 9457). It repeats nothing from the request.
    pub(crate) fn response(self) -> Response {
        let (status, detail) = match self {
            Self::Malformed(Malformed(what)) => (
                StatusCode::BAD_REQUEST,
                format!("This cannot be read: {what}."),
            ),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "This host is not served here.".to_owned(),
            ),
        };
        let title = status.canonical_reason().unwrap_or_default();
        let problem = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{},\
             \"detail\":\"{detail}\"}}\n",
            status.as_u16()
        );
        let mut response = Response::new(Body::from(problem));
        *response.status_mut() = status;
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, problem);
        response
    }
}
