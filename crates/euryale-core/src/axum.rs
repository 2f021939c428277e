//! Types that axum handlers can return: bodies, open files, deferred responses, and errors.

use axum_core::response::{IntoResponse, Response as AxumResponse};

use crate::body::{Blob, Body, Deferred, SpooledBody};
use crate::error::{Abort, Error};
use crate::request::Response;

/// Answers 200 with this body. Its handle is in the extensions, for outer layers.
impl IntoResponse for Body {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// Answers 200 with this file and the `Content-Type` of [`Blob::typed`]. Its handle is in the
/// extensions, so that `ServeBlobLayer` can answer ranges and conditional requests, and a server
/// can send it with `sendfile(2)`.
impl IntoResponse for Blob {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// Answers with the response that is computed. This needs a `DeferredLayer`; without it, status and
/// headers are lost: see [`Deferred`].
impl IntoResponse for Deferred {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// Answers like `Response::from(error)`: with its status and a JSON problem.
impl IntoResponse for Error {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// Answers with the abort's response, or that of its error. `?` turns every error into an `Abort`,
/// so handlers can return `Result<T, Abort>`.
impl IntoResponse for Abort {
    fn into_response(self) -> AxumResponse {
        sent(Error::from(self).into())
    }
}

impl From<Body> for axum_core::body::Body {
    fn from(body: Body) -> Self {
        Self::new(body)
    }
}

/// Converts the body for a router inside `Spool`: `.map_request(|request: Request|
/// request.map(axum::body::Body::from))`.
impl From<SpooledBody> for axum_core::body::Body {
    fn from(body: SpooledBody) -> Self {
        Self::new(Body::from(body))
    }
}

fn sent(response: Response) -> AxumResponse {
    response.map(axum_core::body::Body::new)
}
