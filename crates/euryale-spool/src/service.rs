//! The service.

use std::fmt;
use std::task::{Context, Poll};

use euryale_core::{Admit, BoxError, Error, ErrorKind, Request, SpooledBody};
use http_body::Body;
use tower_service::Service;

use crate::future::SpoolFuture;
use crate::layer::Settings;
use crate::read;

/// Takes in whole request bodies; made by [`SpoolLayer`](crate::SpoolLayer).
#[derive(Clone)]
pub struct Spool<S> {
    pub(crate) inner: S,
    pub(crate) settings: Settings,
}

impl<S, B> Service<http::Request<B>> for Spool<S>
where
    S: Service<Request> + Clone,
    S::Error: Into<Error>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = SpoolFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<B>) -> SpoolFuture<S> {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            let request = Request::from_parts(parts, SpooledBody::empty());
            return SpoolFuture::called(self.inner.call(request));
        }
        if body.size_hint().lower() > self.settings.limit {
            return SpoolFuture::refused(Error::new(ErrorKind::BodyTooLarge));
        }
        if let Some(Err(refused)) = self.settings.admit.as_ref().map(|admit| admit.check(&parts)) {
            return SpoolFuture::refused(refused);
        }
        let settings = self.settings.clone();
        let whole = Box::pin(async move {
            let body = read::whole(body, settings).await?;
            Ok(Request::from_parts(parts, body))
        });
        // The clone was not asked whether it is ready; the original was.
        let clone = self.inner.clone();
        SpoolFuture::reading(whole, std::mem::replace(&mut self.inner, clone))
    }
}

impl<S: fmt::Debug> fmt::Debug for Spool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("inner", &self.inner).finish_non_exhaustive()
    }
}
