//! Zope's virtual hosts: a proxy writes the public address of the application into the path.

mod directive;
mod table;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::request::PeerAddr;
use euryale_core::{BoxError, Response};
use http::request::Parts;
use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

pub(crate) use self::directive::Directive;
pub use self::table::{HostTable, InvalidLine};
use crate::future::ForwardedFuture;
use crate::peer::FindPeer;
use crate::public_url::Facts;
use crate::refusal::Malformed;
use crate::visit::Visit;
use crate::{PublicUrl, TrustedProxies};

/// Reads the application's public address from the path, as Zope's VirtualHostMonster does. Place
/// it inside [`Forwarded`](crate::Forwarded), if there is one, and outside all routing: around a
/// whole `axum::Router`, not in its `layer`.
///
/// `/VirtualHostBase/https/example.org:443/site/VirtualHostRoot/_vh_a/page` reaches the application
/// as `/site/page`, with a [`PublicUrl`](crate::PublicUrl) of `https://example.org/a/` and the root
/// `/site`. Each part may be missing; `*` among the names before `VirtualHostRoot` is the first
/// label of the host.
///
/// | from a peer that is | such a path |
/// |---|---|
/// | a listed proxy | is decoded; a malformed one is answered 400 |
/// | not listed | is a path like any other, and finds nothing |
///
/// A listed proxy must write `VirtualHostBase` and `VirtualHostRoot` into **every** path, before
/// the client's own path. Otherwise clients could write them themselves.
#[derive(Clone)]
#[must_use]
pub struct VirtualHostLayer {
    rules: HostRules,
}

/// The proxies whose paths are decoded, and the table of hosts.
#[derive(Clone)]
struct HostRules {
    proxies: Arc<TrustedProxies>,
    table: Arc<HostTable>,
    peer: FindPeer,
}

impl VirtualHostLayer {
    /// Trusts these proxies, without a table of hosts.
    pub fn new(proxies: TrustedProxies) -> Self {
        let proxies = Arc::new(proxies);
        let table = Arc::default();
        Self {
            rules: HostRules {
                proxies,
                table,
                peer: FindPeer::default(),
            },
        }
    }

    /// Sets which part of the application each host shows, for requests whose path has no
    /// directive. The table is configuration, so it applies to every client.
    pub fn table(mut self, table: HostTable) -> Self {
        self.rules.table = Arc::new(table);
        self
    }

    /// Sets how the peer of a request is found; see
    /// [`ForwardedLayer::peer`](crate::ForwardedLayer::peer).
    pub fn peer(
        mut self,
        find: impl Fn(&Extensions) -> Option<PeerAddr> + Send + Sync + 'static,
    ) -> Self {
        self.rules.peer = FindPeer::new(find);
        self
    }
}

impl<S> Layer<S> for VirtualHostLayer {
    type Service = VirtualHost<S>;

    fn layer(&self, inner: S) -> VirtualHost<S> {
        VirtualHost {
            inner,
            rules: self.rules.clone(),
        }
    }
}

impl fmt::Debug for VirtualHostLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostRules { proxies, table, .. } = &self.rules;
        f.debug_struct("VirtualHostLayer")
            .field("proxies", proxies)
            .field("table", table)
            .finish_non_exhaustive()
    }
}

/// Reads virtual hosts from paths; made by [`VirtualHostLayer`](crate::VirtualHostLayer).
#[derive(Clone)]
pub struct VirtualHost<S> {
    inner: S,
    rules: HostRules,
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
        let applied = self.rules.apply(&mut parts);
        ForwardedFuture::new(applied.map(|()| self.inner.call(Request::from_parts(parts, body))))
    }
}

impl HostRules {
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
