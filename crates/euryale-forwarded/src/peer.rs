//! Finds the peer of a request.

use std::sync::{Arc, Once};

use euryale_core::request::{Peer, PeerAddr};
use http::Extensions;

use crate::TrustedProxies;

/// Finds the peer among the extensions of a request.
#[derive(Clone)]
pub(crate) struct FindPeer(Arc<Finder<Find>>);

struct Finder<F: ?Sized> {
    missed: Once,
    find: F,
}

type Find = dyn Fn(&Extensions) -> Option<PeerAddr> + Send + Sync;

impl FindPeer {
    pub(crate) fn new(
        find: impl Fn(&Extensions) -> Option<PeerAddr> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Finder {
            missed: Once::new(),
            find,
        }))
    }

    /// If no peer is found, no fields are trusted. If trusted proxies were configured, a warning is
    /// logged once, and not for each request, because the peer is then missing from all of them.
    pub(crate) fn find(&self, extensions: &Extensions, proxies: &TrustedProxies) -> PeerAddr {
        (self.0.find)(extensions).unwrap_or_else(|| {
            if !proxies.is_empty() {
                self.0.missed.call_once(|| {
                    tracing::warn!(
                        "no request says who its peer is, so no proxy is trusted; under \
                            `axum::serve` it takes \
                         `into_make_service_with_connect_info` and the layer's `peer`"
                    );
                });
            }
            PeerAddr::Unknown
        })
    }
}

impl Default for FindPeer {
    fn default() -> Self {
        Self::new(|extensions| extensions.get::<Peer>().map(Peer::address))
    }
}

pub(crate) fn is_tls(extensions: &Extensions) -> bool {
    extensions.get::<Peer>().is_some_and(Peer::is_tls)
}
