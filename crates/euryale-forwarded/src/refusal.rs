//! Requests that are answered here.

use euryale_core::{Body, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

/// A malformed field, of which no part is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Why the inner service is not called.
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
    /// As in RFC 9457. Nothing from the request is repeated.
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
