//! The service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{BoxError, Error, Response};
use tower_service::Service;

use crate::RespondFuture;
use crate::log::Throttle;
use crate::page::{Asked, Page};

/// Turns errors into responses; made by [`RespondLayer`](crate::RespondLayer).
pub struct Respond<S> {
    pub(crate) inner: S,
    pub(crate) page: Option<Page>,
    pub(crate) throttle: Arc<Throttle>,
    /// The error of `poll_ready`, which the next call answers.
    pub(crate) failed: Option<Error>,
}

euryale_core::inner_service!(Respond<S>);

impl<S, B, ResBody> Service<http::Request<B>> for Respond<S>
where
    S: Service<http::Request<B>, Response = http::Response<ResBody>>,
    S::Error: Into<Error>,
    ResBody: http_body::Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RespondFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if let Err(error) = ready!(self.inner.poll_ready(cx)) {
            self.failed = Some(error.into());
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let asked = Asked::of(&request);
        let page = self.page.clone();
        let throttle = Arc::clone(&self.throttle);
        match self.failed.take() {
            Some(error) => RespondFuture::failed(error, asked, page, throttle),
            None => RespondFuture::new(self.inner.call(request), asked, page, throttle),
        }
    }
}

impl<S: Clone> Clone for Respond<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            page: self.page.clone(),
            throttle: Arc::clone(&self.throttle),
            failed: None,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Respond<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
