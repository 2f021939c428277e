//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::transaction::AnswerGate;
use euryale_core::{BoxError, Error, Response};
use http::Method;
use tower_service::Service;

use crate::blocking::admit;
use crate::future::AwaitDeferredFuture;
use crate::settings::Settings;

/// Waits for deferred responses; made by [`DeferredLayer`](crate::DeferredLayer).
#[derive(Clone)]
pub struct AwaitDeferred<S> {
    inner: S,
    settings: Arc<Settings>,
    /// Two gates: one for HEAD, and one for all other methods.
    gates: Arc<[AnswerGate; 2]>,
}

euryale_core::inner_service!(AwaitDeferred<S>);

impl<S> AwaitDeferred<S> {
    pub(crate) fn new(inner: S, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let gate = |head| {
            let settings = Arc::clone(&settings);
            AnswerGate::new(move |response| admit(response, head, &settings))
        };
        Self {
            inner,
            gates: Arc::new([gate(true), gate(false)]),
            settings,
        }
    }
}

impl<S, A, B> Service<http::Request<A>> for AwaitDeferred<S>
where
    S: Service<http::Request<A>, Response = http::Response<B>>,
    S::Error: Into<Error>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Error;
    type Future = AwaitDeferredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: http::Request<A>) -> Self::Future {
        let head = *request.method() == Method::HEAD;
        let [of_head, of_others] = &*self.gates;
        let gate = if head { of_head } else { of_others };
        gate.attach(request.extensions_mut());
        AwaitDeferredFuture::new(self.inner.call(request), head, Arc::clone(&self.settings))
    }
}

impl<S: fmt::Debug> fmt::Debug for AwaitDeferred<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitDeferred")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
