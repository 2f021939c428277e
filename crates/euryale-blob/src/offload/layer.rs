//! Settings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use euryale_core::Ledger;
use euryale_core::threads::BlockingLane;
use http::request::Parts;
use tower_layer::Layer;

use super::Offload;
use super::place::Map;
use crate::BlobBook;

/// Lets a reverse proxy send blobs if it asked for this. Place the layer inside
/// [`ServeBlob`](crate::ServeBlob), if there is one.
///
/// A blob is left to the proxy if all of these conditions hold: the request is `GET` or `HEAD` and
/// has [`OffloadTo`](super::OffloadTo); the response is a 200 with a whole blob and a
/// [`BlobPath`](super::BlobPath), and without [`NoOffload`](super::NoOffload); the path lies in a
/// folder that was configured here, and leads to the blob's own file. Otherwise the response is not
/// changed, and the blob is streamed. Content-Type, Content-Disposition, ETag, Last-Modified and
/// Cache-Control are kept; the proxy then handles ranges and conditions.
///
/// Fields such as `X-Accel-*` and `X-Sendfile*` are removed from all requests of clients and all
/// responses of publishers.
///
/// ```
/// use euryale_blob::{BlobPath, OffloadLayer};
/// use euryale_core::request::{Peer, PeerAddr};
/// use euryale_core::{Blob, Body, Response};
/// use http::Request;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let blobs = tempfile::tempdir()?;
/// let path = blobs.path().join("1");
/// std::fs::write(&path, "0123456789")?;
/// // nginx: location /protected/ { internal; alias /srv/blobs/; }
/// let offload = OffloadLayer::new().map(blobs.path(), "/protected").trusted(|request| {
///     let peer = request.extensions.get::<Peer>(); // the server says who it is
///     peer.and_then(|peer| peer.address().ip()).is_some_and(|ip| ip.is_loopback())
/// });
/// let service = ServiceBuilder::new().layer(offload).service(service_fn(async |_: Request<()>| {
///     let mut response = Response::new(Body::from(Blob::new(std::fs::File::open(&path)?)?));
///     response.extensions_mut().insert(BlobPath(path.clone()));
///     Ok::<_, std::io::Error>(response)
/// }));
/// let ask = |from: [u8; 4]| {
///     let request = Request::get("/").header("x-sendfile-type", "X-Accel-Redirect");
///     let mut request = request.body(()).unwrap();
///     request.extensions_mut().insert(Peer::new(PeerAddr::Tcp((from, 4711).into())));
///     service.clone().oneshot(request)
/// };
/// assert_eq!(ask([127, 0, 0, 1]).await?.headers()["x-accel-redirect"], "/protected/1");
/// assert!(!ask([192, 0, 2, 1]).await?.headers().contains_key("x-accel-redirect"));
/// # Ok(())
/// # }
/// ```
///
/// Inside `ForwardedLayer`, which has the list of trusted proxies, let the predicate return
/// `Client::is_proxied`.
///
/// Names are percent-encoded: nginx (since 1.5.9), lighttpd and mod_xsendfile (`XSendFileUnescape`,
/// on by default) decode them. Caddy does not; see [`only_plain_names`](Self::only_plain_names).
#[derive(Clone)]
#[must_use]
pub struct OffloadLayer {
    pub(super) settings: OffloadSettings,
}

#[derive(Clone)]
pub(super) struct OffloadSettings {
    pub(super) maps: Arc<[Map]>,
    pub(super) trusted: Option<Predicate>,
    pub(super) mapping_from_proxy: bool,
    pub(super) only_plain_names: bool,
    pub(super) lane: BlockingLane,
    pub(super) ledger: Ledger,
    pub(super) book: Arc<BlobBook>,
}

pub(super) type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// The default number of threads that check whether a file still exists, which takes microseconds.
const CHECKS: usize = 4;

impl OffloadLayer {
    /// Creates a layer without folders, which trusts no proxy.
    pub fn new() -> Self {
        let settings = OffloadSettings {
            maps: Arc::new([]),
            trusted: None,
            mapping_from_proxy: false,
            only_plain_names: false,
            lane: BlockingLane::new("offload", CHECKS),
            ledger: Ledger::new(),
            book: Arc::default(),
        };
        Self { settings }
    }

    /// Maps the files below `folder`, an absolute path, to the proxy's URLs below `prefix`, which
    /// is sent unchanged. For `X-Sendfile` the prefix is ignored. If several folders contain a
    /// file, the deepest one counts.
    pub fn map(mut self, folder: impl Into<PathBuf>, prefix: impl AsRef<str>) -> Self {
        let added = Map::new(folder.into(), prefix.as_ref());
        self.settings.maps = self.settings.maps.iter().cloned().chain([added]).collect();
        self
    }

    /// Accepts `X-Sendfile-Type` (`X-Accel-Redirect` or `X-Sendfile`) from the requests for which
    /// the predicate is true. The predicate must depend on something that a client cannot choose,
    /// such as the peer's address. The proxy must set the field in every request, or a client could
    /// set it. Default: no request.
    pub fn trusted(mut self, predicate: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.settings.trusted = Some(Arc::new(predicate));
        self
    }

    /// Accepts the mapping of folders from a trusted proxy, in `X-Accel-Mapping: FOLDER=PREFIX, …`.
    /// It overrides the folders that are configured here. A prefix with `?`, `#` or `..` in it is
    /// refused. Use this only with a proxy that sets or removes the field in every request: nginx
    /// passes on fields that it does not set, and a client could then name any of its `internal`
    /// locations. Default: the field is ignored.
    pub fn mapping_from_proxy(mut self) -> Self {
        self.settings.mapping_from_proxy = true;
        self
    }

    /// For `X-Sendfile`, leaves only files to the proxy whose paths need no encoding, and streams
    /// the others. Use it where others choose the names and the proxy may be Caddy, which does not
    /// decode the field. Default: off, so that all paths are sent percent-encoded.
    pub fn only_plain_names(mut self) -> Self {
        self.settings.only_plain_names = true;
        self
    }

    /// The maximum number of blocking threads that check files at a time; at least 1. Default: 4.
    pub fn checks(mut self, threads: usize) -> Self {
        self.settings.lane = self.settings.lane.resized(threads);
        self
    }

    /// Checks files in this lane instead of one of the layer's own. Use it for a lane that is
    /// resized later or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.lane = lane;
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.lane = self.settings.lane.ledger(ledger.clone());
        self.settings.book = ledger.of();
        self.settings.ledger = ledger;
        self
    }
}

impl Default for OffloadLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for OffloadLayer {
    type Service = Offload<S>;

    fn layer(&self, inner: S) -> Offload<S> {
        Offload {
            inner,
            settings: Arc::new(self.settings.clone()),
        }
    }
}

impl fmt::Debug for OffloadLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadLayer")
            .field("maps", &self.settings.maps)
            .finish_non_exhaustive()
    }
}
