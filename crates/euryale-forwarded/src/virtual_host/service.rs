//! The service.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::{BoxError, Response};
use http::Request;
use http::request::Parts;
use tower_service::Service;

use super::Directive;
use super::layer::Settings;
use crate::PublicUrl;
use crate::future::ForwardedFuture;
use crate::public_url::Facts;
use crate::refusal::Malformed;
use crate::visit::Visit;

/// Reads virtual hosts from paths; made by [`VirtualHostLayer`](crate::VirtualHostLayer).
#[derive(Clone)]
pub struct VirtualHost<S> {
    pub(super) inner: S,
    pub(super) settings: Settings,
}

euryale_core::inner_service!(VirtualHost<S>);

impl<S, Q, B> Service<Request<Q>> for VirtualHost<S>
where
    S: Service<Request<Q>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ForwardedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> ForwardedFuture<S::Future> {
        let (mut parts, body) = request.into_parts();
        let applied = self.settings.apply(&mut parts);
        ForwardedFuture::new(applied.map(|()| self.inner.call(Request::from_parts(parts, body))))
    }
}

impl Settings {
    fn apply(&self, parts: &mut Parts) -> Result<(), Malformed> {
        if self
            .proxies
            .contain(self.peer.find(&parts.extensions, &self.proxies))
            && let Some(directive) = Directive::parse(parts.uri.path())?
        {
            return directive.apply(parts);
        }
        if PublicUrl::of(&parts.extensions).is_none() {
            let url = PublicUrl::new(Facts::of(parts));
            Visit::put_url(&mut parts.extensions, url);
        }
        match PublicUrl::of(&parts.extensions).and_then(|url| self.table.find(url)) {
            // `OPTIONS *` and `CONNECT` have no path.
            Some(directive) if parts.uri.path().starts_with('/') => {
                directive.behind(parts.uri.path()).apply(parts)
            }
            _ => Ok(()),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for VirtualHost<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualHost")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
