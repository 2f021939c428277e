//! Client and public URL, as arguments of axum handlers.

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use euryale_core::Error;
use euryale_core::error::APPLICATION;
use http::request::Parts;

use crate::{Client, PublicUrl};

/// Lets a handler take this value as an argument.
///
/// # Errors
/// If there is no [`ForwardedLayer`](crate::ForwardedLayer) around the handler, the answer is 500
/// and the log says why. Take an `Option` if the layer may be missing.
impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        found(
            Self::of(&parts.extensions),
            "a handler asks for the `Client`, but no ForwardedLayer stands around it",
        )
    }
}

/// `None` if there is no [`ForwardedLayer`](crate::ForwardedLayer) around the handler.
impl<S: Sync> OptionalFromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Lets a handler take this value as an argument.
///
/// # Errors
/// If there is no [`ForwardedLayer`](crate::ForwardedLayer) around the handler, the answer is 500
/// and the log says why. Take an `Option` if the layer may be missing.
impl<S: Sync> FromRequestParts<S> for PublicUrl {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let url = Self::of(&parts.extensions).cloned();
        found(
            url,
            "a handler asks for the `PublicUrl`, but no ForwardedLayer stands around it",
        )
    }
}

/// `None` if there is no [`ForwardedLayer`](crate::ForwardedLayer) around the handler.
impl<S: Sync> OptionalFromRequestParts<S> for PublicUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(&parts.extensions).cloned())
    }
}

fn found<T>(found: Option<T>, missing: &'static str) -> Result<T, Error> {
    found.ok_or_else(|| Error::with_source(APPLICATION, missing))
}
