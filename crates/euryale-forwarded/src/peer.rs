//! From which peer a request came.

use std::sync::Arc;

use euryale_core::{Peer, PeerAddr};
use http::Extensions;

/// Finds the peer among the extensions of a request.
#[derive(Clone)]
pub(crate) struct FindPeer(Arc<Find>);

type Find = dyn Fn(&Extensions) -> Option<PeerAddr> + Send + Sync;

impl FindPeer {
    pub(crate) fn new(find: impl Fn(&Extensions) -> Option<PeerAddr> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// One that is not found is not told, and is trusted by nobody.
    pub(crate) fn find(&self, extensions: &Extensions) -> PeerAddr {
        (self.0)(extensions).unwrap_or(PeerAddr::Unknown)
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
