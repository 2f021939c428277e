//! Serves the files of a folder without a publisher.

pub(crate) mod coding;
mod name;
mod open;
mod service;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use self::service::{FolderFuture, NotFound};
use euryale_core::Blob;
use euryale_core::body::Descriptors;

use crate::ServeBlobLayer;
use crate::answer::Serving;

/// Serves the files of a folder: `GET` and `HEAD`, with the validators and ranges of
/// [`ServeBlob`](crate::ServeBlob). It does not need that layer around it.
///
/// ```
/// use euryale_blob::ServeFolder;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("style.css"), "p { margin: 0 }")?;
/// let assets = ServeFolder::new(folder.path());
/// let request = http::Request::get("/style.css").header("range", "bytes=4-9").body(()).unwrap();
/// let response = assets.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), 206);
/// assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
/// # Ok(())
/// # }
/// ```
///
/// * No name leads out of the folder: `..` is refused, encoded or not, and symbolic links are not
///   followed, wherever they lead. Linux enforces this through `openat2` with `RESOLVE_BENEATH` and
///   `RESOLVE_NO_SYMLINKS`; on systems without it, each folder is opened in turn with `O_NOFOLLOW`.
///   The path of the folder itself may contain links.
/// * Names that begin with a dot are answered 404, except `/.well-known` (RFC 8615).
/// * A folder is answered with its `index.html`, or with a redirect (307) if the final slash is
///   missing.
/// * The media type depends on the ending of the name. Text is declared as UTF-8. A `.svgz` is sent
///   with `Content-Encoding: gzip` ([`coding_of_name`](crate::coding_of_name)).
/// * A missing file is answered 404, or passed to the [`fallback`](ServeFolder::fallback). Other
///   methods are answered 405, a NUL in the name 400, an unreadable file 500, and a lack of
///   descriptors 503. Errors have no body.
///
/// Files are opened on the lane of its `ServeBlobLayer`, which may be shared:
/// [`blobs`](ServeFolder::blobs).
#[derive(Clone)]
#[must_use]
#[doc(alias = "ServeDir")]
pub struct ServeFolder<F = NotFound> {
    settings: FolderSettings,
    fallback: F,
}

#[derive(Clone)]
struct FolderSettings {
    root: Arc<Path>,
    dotfiles: bool,
    stable: bool,
    precompressed: bool,
    serving: Arc<Serving>,
    descriptors: Option<Descriptors>,
}

impl ServeFolder {
    /// Serves the files of the folder at `root`, which is opened for each request.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let settings = FolderSettings {
            root: root.as_ref().into(),
            dotfiles: false,
            stable: false,
            precompressed: false,
            serving: ServeBlobLayer::new().serving(),
            descriptors: None,
        };
        Self {
            settings,
            fallback: NotFound,
        }
    }
}

impl<F> ServeFolder<F> {
    /// Passes requests for files that do not exist to `service`. Default: 404.
    pub fn fallback<G>(self, service: G) -> ServeFolder<G> {
        ServeFolder {
            settings: self.settings,
            fallback: service,
        }
    }

    /// Also serves files whose names begin with a dot. Default: off.
    pub fn dotfiles(mut self, serve: bool) -> Self {
        self.settings.dotfiles = serve;
        self
    }

    /// Declares the files stable, so that `sendfile` may send them. Default: they are not stable,
    /// and are read.
    ///
    /// # Safety
    /// You promise for each file of the folder what [`Blob::stable`](euryale_core::Blob::stable)
    /// requires. Either the files are never changed in place but only replaced by a rename, or
    /// nobody reads the bytes that the bodies of responses yield. Editors, `rsync --inplace` and
    /// programs that overwrite a file in place break the first form.
    #[expect(
        unsafe_code,
        reason = "only the caller knows who changes or reads the files"
    )]
    pub unsafe fn stable(mut self, stable: bool) -> Self {
        self.settings.stable = stable;
        self
    }

    /// Serves `name.br`, `name.zst` or `name.gz` instead of `name` if it exists and the client
    /// accepts it (RFC 9110 §12.5.3). The program that writes the files must keep both versions in
    /// step. A compressed file that cannot be read is logged and skipped. Ranges select from the
    /// uncompressed file. Default: off.
    pub fn precompressed(mut self, look: bool) -> Self {
        self.settings.precompressed = look;
        self
    }

    /// Opens a file below the folder, for a publisher that decides who may read it. Returns `None`
    /// if there is no such file.
    ///
    /// `name` is relative to the folder and is not decoded. The rules for links and `..` are those
    /// of requests; names that begin with a dot are found. The blob has the media type of its name.
    /// Blocks on the file system.
    ///
    /// # Errors
    /// The folder or the file cannot be opened, or no descriptor is left.
    pub fn open(&self, name: impl AsRef<Path>) -> io::Result<Option<Blob>> {
        open::file(&self.settings, name.as_ref())
    }

    /// Takes descriptors from this budget: four while a file is looked up, and one until it has
    /// been sent. If none is left, the answer is 503. Default: no bound but the system's.
    pub fn descriptors(mut self, descriptors: &Descriptors) -> Self {
        self.settings.descriptors = Some(descriptors.clone());
        self
    }

    /// Uses the threads and the ledger of this layer. Default: a layer of its own.
    pub fn blobs(mut self, layer: &ServeBlobLayer) -> Self {
        self.settings.serving = layer.serving();
        self
    }
}

impl<F> fmt::Debug for ServeFolder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeFolder")
            .field("root", &self.settings.root)
            .finish_non_exhaustive()
    }
}
