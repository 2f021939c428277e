//! The service.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_core::request::{Admit, Stage, Times};
use euryale_core::{Body, BoxError, Error, Request};
use tokio::time::Instant;
use tower_service::Service;

use crate::content::Content;
use crate::future::SpoolFuture;
use crate::read::{Source, longer_than};
use crate::settings::Settings;

/// Reads whole request bodies; made by [`SpoolLayer`](crate::SpoolLayer).
#[derive(Clone)]
pub struct Spool<S> {
    pub(crate) inner: S,
    pub(crate) settings: Arc<Settings>,
}

euryale_core::inner_service!(Spool<S>);

impl<S, B> Service<http::Request<B>> for Spool<S>
where
    S: Service<Request> + Clone,
    S::Error: Into<Error>,
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = SpoolFuture<S>;

    /// Always ready. The inner service is polled for readiness only when the body is complete,
    /// because its readiness may hold a resource.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> SpoolFuture<S> {
        let (mut parts, mut body) = request.into_parts();
        let inner = self.inner.clone();
        let content = match Content::of(&parts, &self.settings) {
            Ok(content) => content,
            Err(refused) => return SpoolFuture::refused(refused),
        };
        if body.is_end_stream() {
            let body = content.empty(&mut parts);
            return SpoolFuture::complete(Request::from_parts(parts, body), inner);
        }
        let limit = self.settings.limit_of(&parts);
        let announced = body.size_hint().lower();
        if announced > limit {
            return SpoolFuture::refused(longer_than(limit));
        }
        if let Err(refused) = self
            .settings
            .admit
            .iter()
            .try_for_each(|admit| admit.check(&parts))
        {
            return SpoolFuture::refused(refused);
        }
        if matches!(content, Content::Bytes)
            && let Some(spooled) = (&mut body as &mut dyn Any)
                .downcast_mut()
                .and_then(Body::take_spooled)
        {
            return SpoolFuture::complete(Request::from_parts(parts, spooled), inner);
        }
        if let Err(refused) = self.settings.expect(announced) {
            return SpoolFuture::refused(refused);
        }
        let settings = Arc::clone(&self.settings);
        let source = Source::new(body, limit, &settings);
        let whole = Box::pin(async move {
            let timed = parts
                .extensions
                .get::<Times>()
                .map(|times| (times.clone(), Instant::now()));
            let read = content.read(source, &mut parts, settings).await;
            if let Some((times, began)) = timed {
                times.spent(Stage::Reading, began.elapsed());
            }
            let body = read?;
            Ok(Request::from_parts(parts, body))
        });
        SpoolFuture::reading(whole, inner)
    }
}

impl<S: fmt::Debug> fmt::Debug for Spool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
