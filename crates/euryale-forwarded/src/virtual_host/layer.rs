//! Settings.

use std::fmt;
use std::sync::Arc;

use euryale_core::PeerAddr;
use http::Extensions;
use tower_layer::Layer;

use super::{HostTable, VirtualHost};
use crate::TrustedProxies;
use crate::peer::FindPeer;

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
/// | named here | counts; a malformed one is answered 400 |
/// | anybody else | is a path like any other, and names nothing |
///
/// A proxy that is named here must write `VirtualHostBase` and `VirtualHostRoot` into **every**
/// path: only the path after them is the client's. Otherwise clients could write them.
#[derive(Clone)]
#[must_use]
pub struct VirtualHostLayer {
    pub(super) settings: Settings,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) proxies: Arc<TrustedProxies>,
    pub(super) table: Arc<HostTable>,
    pub(super) peer: FindPeer,
}

impl VirtualHostLayer {
    /// Trusts these proxies, and has no table.
    pub fn new(proxies: TrustedProxies) -> Self {
        let proxies = Arc::new(proxies);
        let table = Arc::default();
        Self {
            settings: Settings {
                proxies,
                table,
                peer: FindPeer::default(),
            },
        }
    }

    /// Which part of the application a host shows, for requests whose path has no directive. It is
    /// configuration, so it applies to every client.
    pub fn table(mut self, table: HostTable) -> Self {
        self.settings.table = Arc::new(table);
        self
    }

    /// See [`ForwardedLayer::peer`](crate::ForwardedLayer::peer).
    pub fn peer(
        mut self,
        find: impl Fn(&Extensions) -> Option<PeerAddr> + Send + Sync + 'static,
    ) -> Self {
        self.settings.peer = FindPeer::new(find);
        self
    }
}

impl<S> Layer<S> for VirtualHostLayer {
    type Service = VirtualHost<S>;

    fn layer(&self, inner: S) -> VirtualHost<S> {
        VirtualHost {
            inner,
            settings: self.settings.clone(),
        }
    }
}

impl fmt::Debug for VirtualHostLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { proxies, table, .. } = &self.settings;
        f.debug_struct("VirtualHostLayer")
            .field("proxies", proxies)
            .field("table", table)
            .finish_non_exhaustive()
    }
}
