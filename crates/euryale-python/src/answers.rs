//! The responses that replace an application's answer.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use euryale::transaction::Access;
use euryale::{Body, Request, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Extensions, HeaderValue, Method, StatusCode, Uri};

/// The time after which a client may try again, in seconds. It is long because room is only freed
/// as fast as clients read.
const RETRY_SECONDS: &str = "10";

/// The request that an answer is for. Its text is its method and its path.
pub(crate) struct Asked {
    pub(crate) method: Method,
    uri: Uri,
    /// What the application has said about its answer besides the head.
    marks: Mutex<Extensions>,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            marks: Mutex::default(),
        }
    }

    /// Gives the answer an extension.
    pub(crate) fn mark<T: Clone + Send + Sync + 'static>(&self, mark: T) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.insert(mark);
    }

    /// Returns the answer with the extensions that it was given.
    pub(crate) fn marked(&self, mut answer: Response) -> Response {
        let marks = std::mem::take(&mut *self.marks.lock().unwrap_or_else(PoisonError::into_inner));
        answer.extensions_mut().extend(marks);
        answer
    }

    /// Returns the response if there is no room for the answer. The application has carried out the
    /// request, so the client is invited to repeat it only if its method is safe.
    pub(crate) fn no_room(&self) -> Response {
        if Access::of(&self.method) == Access::Write {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server has no room for the answer. Your request may have been carried out.\n",
            );
        }
        let mut response = plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server has no room for the answer now. Try again in a moment.\n",
        );
        let seconds = HeaderValue::from_static(RETRY_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, seconds);
        response
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri.path())
    }
}

/// Returns the error page for an exception, without any details.
pub(crate) fn internal_error() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n")
}

/// Returns the answer if the application names a file that does not exist.
pub(crate) fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "Not Found\n")
}

/// Returns an answer in plain text.
pub(crate) fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = with_plain(Response::new(()), text);
    *response.status_mut() = status;
    response
}

/// Gives an answer a body in plain text.
pub(crate) fn with_plain<B>(response: http::Response<B>, text: impl Into<Body>) -> Response {
    let mut response = response.map(|_| text.into());
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
