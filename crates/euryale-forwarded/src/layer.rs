//! Settings.

use std::fmt;
use std::sync::Arc;

use euryale_core::request::PeerAddr;
use http::Extensions;
use tower_layer::Layer;

use crate::fields::Field;
use crate::peer::FindPeer;
use crate::{Forwarded, TrustedProxies};

/// Accepts forwarded fields from trusted proxies only. See the [crate's documentation](crate).
#[derive(Clone)]
#[must_use]
pub struct ForwardedLayer {
    pub(crate) settings: Settings,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) fields: Arc<[Field]>,
    pub(crate) max_hops: usize,
    pub(crate) peer: FindPeer,
}

impl ForwardedLayer {
    /// Trusts these proxies, for the five fields `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and
    /// `-Prefix`.
    pub fn new(proxies: TrustedProxies) -> Self {
        Self {
            settings: Settings {
                proxies: Arc::new(proxies),
                fields: Field::X_FORWARDED.into(),
                max_hops: usize::MAX,
                peer: FindPeer::default(),
            },
        }
    }

    /// Sets the accepted fields. Every trusted proxy must set or remove each of them. All other
    /// forwarded fields are removed here.
    pub fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.settings.fields = fields.into_iter().collect();
        self
    }

    /// Limits the number of trusted proxies between the client and this server; at least 1. The
    /// client is at most that many elements from the end of the list, even if its address is a
    /// trusted one. Default: no limit.
    ///
    /// The limit is necessary if the proxies' addresses are unknown and every address is trusted:
    /// otherwise a client could write the first element itself.
    pub fn max_hops(mut self, hops: usize) -> Self {
        self.settings.max_hops = hops;
        self
    }

    /// Sets how the peer of a request is found. Default: by the extension
    /// [`Peer`](euryale_core::request::Peer), which `euryale-server` sets.
    ///
    /// With `axum::serve`, use axum's `ConnectInfo`, which is an extension if the router is served
    /// with it:
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    ///
    /// use axum::{Router, extract::ConnectInfo};
    /// use euryale_forwarded::ForwardedLayer;
    ///
    /// # type Served = Result<(), Box<dyn std::error::Error>>;
    /// # async fn serve(listener: tokio::net::TcpListener) -> Served {
    /// let layer = ForwardedLayer::new("10.0.0.0/8".parse()?).peer(|extensions| {
    ///     let peer = extensions.get::<ConnectInfo<SocketAddr>>()?;
    ///     Some(peer.0.into())
    /// });
    /// let app: Router = Router::new().layer(layer);
    /// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The peer must not depend on anything that a client can choose. If no peer is found, no
    /// fields are trusted, and a warning is logged once.
    pub fn peer(
        mut self,
        find: impl Fn(&Extensions) -> Option<PeerAddr> + Send + Sync + 'static,
    ) -> Self {
        self.settings.peer = FindPeer::new(find);
        self
    }
}

impl<S> Layer<S> for ForwardedLayer {
    type Service = Forwarded<S>;

    fn layer(&self, inner: S) -> Forwarded<S> {
        Forwarded {
            inner,
            settings: self.settings.clone(),
        }
    }
}

impl fmt::Debug for ForwardedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            proxies, fields, ..
        } = &self.settings;
        f.debug_struct("ForwardedLayer")
            .field("proxies", proxies)
            .field("fields", fields)
            .finish_non_exhaustive()
    }
}
