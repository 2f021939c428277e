//! Promises in axum handlers.

use std::convert::Infallible;
use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use euryale_core::Error;
use euryale_core::error::APPLICATION;
use euryale_core::request::RequestContext;
use euryale_core::transaction::{Attempt, History};
use http::request::Parts;

use crate::asks::Terms;
use crate::scope::Scope;
use crate::{Promises, PromisesExt, UnboundPromises};

/// An extractor for the promises of a request in an asynchronous axum handler.
///
/// Such a handler could also wait by itself, but a [`shared`](Promises::shared) promise is fetched
/// once for all requests. The handler returns `Result<_, Abort>`, and is called again when its
/// promises are resolved. So put [`RepublishLayer`](crate::RepublishLayer) around its router, with
/// [`Error::raise`] between the two:
///
/// ```
/// use std::convert::Infallible;
///
/// use axum::{Router, routing::get};
/// use euryale_core::body::SpooledBody;
/// use euryale_core::{Abort, Error, Request};
/// use euryale_promise::{HandlerPromises, PromisesExt, RepublishLayer};
/// use euryale_respond::RespondLayer;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// async fn rate(asking: HandlerPromises) -> Result<String, Abort> {
///     let promises = asking.promises();
///     let rate = promises.ask("rate", || async { Ok::<_, Infallible>(1.09) });
///     Ok(format!("{} in pass {}", rate.ready()??, promises.pass()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layers = ServiceBuilder::new()
///     .layer(RespondLayer::new())
///     .layer(RepublishLayer::new())
///     .map_request(|request: Request| request.map(axum::body::Body::from))
///     .map_result(Error::raise);
/// let service = layers.service(Router::new().route("/", get(rate)));
/// let response = service.oneshot(Request::new(SpooledBody::default())).await.unwrap();
/// # use http_body_util::BodyExt;
/// # let body = response.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(body, "1.09 in pass 2");
/// # }
/// ```
///
/// # Errors
/// If there is no `RepublishLayer` around the handler, the answer is 500. Take an `Option` if the
/// layer may be missing.
#[derive(Clone)]
pub struct HandlerPromises(UnboundPromises);

impl HandlerPromises {
    fn of(parts: &mut Parts) -> Option<Self> {
        let scope = RequestContext::get::<Scope>(&parts.extensions)?.clone();
        let history = parts
            .extensions
            .get::<History>()
            .copied()
            .unwrap_or_default();
        // All extractors of this request share one attempt.
        let attempt = parts
            .extensions
            .get_or_insert_with(|| Attempt::new(history))
            .clone();
        let terms = Terms::default();
        Some(Self(UnboundPromises::new(attempt, Some(scope), terms)))
    }
}

impl PromisesExt for HandlerPromises {
    fn promises(&self) -> Promises<'_> {
        self.0.promises()
    }
}

impl<S: Sync> FromRequestParts<S> for HandlerPromises {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let missing = "a handler asks for promises, but no RepublishLayer stands around it";
        Self::of(parts).ok_or_else(|| Error::with_source(APPLICATION, missing))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for HandlerPromises {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(parts))
    }
}

impl fmt::Debug for HandlerPromises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerPromises").field(&self.0).finish()
    }
}
