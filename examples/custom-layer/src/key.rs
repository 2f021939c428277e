//! The layer refuses requests without a key before their bodies are read and before they wait for a
//! connection.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Request, StatusCode};
use euryale_core::{Body, Error, Response};
use tower::{Layer, Service};

/// The owner of the key. The layer passes it to the publisher in the request's extensions, because
/// a header could be forged by the client.
#[derive(Clone)]
pub(crate) struct User(pub(crate) Arc<str>);

/// Accepts only requests that have the key of one of the `users` in `X-Api-Key`.
#[derive(Clone)]
pub(crate) struct ApiKeyLayer {
    users: Arc<HashMap<&'static str, User>>,
}

impl ApiKeyLayer {
    pub(crate) fn new<const N: usize>(users: [(&'static str, &str); N]) -> Self {
        Self {
            users: Arc::new(users.map(|(key, name)| (key, User(name.into()))).into()),
        }
    }
}

impl<S> Layer<S> for ApiKeyLayer {
    type Service = ApiKey<S>;

    fn layer(&self, inner: S) -> ApiKey<S> {
        ApiKey {
            inner,
            users: Arc::clone(&self.users),
        }
    }
}

#[derive(Clone)]
pub(crate) struct ApiKey<S> {
    inner: S,
    users: Arc<HashMap<&'static str, User>>,
}

/// The service accepts any body type, so that it works outside and inside `Spool`.
impl<S, B> Service<Request<B>> for ApiKey<S>
where
    S: Service<Request<B>, Response = Response, Error = Error, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let key = request
            .headers()
            .get("x-api-key")
            .and_then(|key| key.to_str().ok());
        match key.and_then(|key| self.users.get(key)).cloned() {
            Some(user) => {
                request.extensions_mut().insert(user);
                Box::pin(self.inner.call(request))
            }
            None => {
                let mut refusal = Response::new(Body::from("a key is needed\n"));
                *refusal.status_mut() = StatusCode::FORBIDDEN;
                Box::pin(ready(Ok(refusal)))
            }
        }
    }
}
