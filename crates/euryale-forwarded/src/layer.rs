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

    /// The fields that count: those that every trusted proxy sets or removes. The others are
    /// removed here.
    pub fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.settings.fields = fields.into_iter().collect();
        self
    }

    /// Limits the number of trusted proxies between the client and this server, from 1. The client
    /// is at most that many elements from the end of the list, even if its address is a trusted
    /// one. Default: as many as are trusted.
    ///
    /// It is needed where the proxies' addresses are not known and every address is trusted:
    /// without it a client could write the first element itself.
    pub fn max_hops(mut self, hops: usize) -> Self {
        self.settings.max_hops = hops;
        self
    }

    /// Where to look for the peer of a request. Default: [`Peer`](euryale_core::request::Peer),
    /// which `euryale-server` puts there.
    ///
    /// With `axum::serve` it is axum's `ConnectInfo`, which is there when the router is served with
    /// it:
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
    /// It must be something that a client cannot choose. If no peer is found, nobody is trusted,
    /// and the log warns once.
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
