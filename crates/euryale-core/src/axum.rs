//! Types that axum handlers can return: bodies, open files, deferred responses, and errors.

use axum_core::response::{IntoResponse, Response as AxumResponse};

use crate::body::{Blob, Body, Deferred, SpooledBody};
use crate::error::{Abort, Error};
use crate::request::Response;

/// 200 with this body. Its handle is in the extensions, for outer layers.
impl IntoResponse for Body {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// 200 with this file, and the `Content-Type` that [`Blob::typed`] gave it. Its handle is in the
/// extensions: `ServeBlobLayer` answers ranges and conditional requests, and a server with
/// `sendfile(2)` sends it.
impl IntoResponse for Blob {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// The response that is computed. Needs a `DeferredLayer`; without it, status and headers are lost:
/// see [`Deferred`].
impl IntoResponse for Deferred {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// As `Response::from(error)`: its status, and a problem in JSON.
impl IntoResponse for Error {
    fn into_response(self) -> AxumResponse {
        sent(self.into())
    }
}

/// The abort's response, or that of its error. `?` turns every error into an `Abort`, so handlers
/// can return `Result<T, Abort>`.
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

/// For a router inside `Spool`:
/// `.map_request(|request: Request| request.map(axum::body::Body::from))`.
impl From<SpooledBody> for axum_core::body::Body {
    fn from(body: SpooledBody) -> Self {
        Self::new(Body::from(body))
    }
}

fn sent(response: Response) -> AxumResponse {
    response.map(axum_core::body::Body::new)
}
