//! Lets a reverse proxy send blobs: nginx by `X-Accel-Redirect`; Apache, lighttpd and Caddy by
//! `X-Sendfile`.

mod fields;
mod future;
mod layer;
mod place;
mod service;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use self::future::OffloadFuture;
pub use self::layer::OffloadLayer;
pub use self::service::Offload;

/// An extension of a request that came through a proxy which sends files itself. The variant is the
/// header field by which a response asks for this.
///
/// A layer that can identify the proxy sets it. Without this extension, and without
/// [`OffloadLayer::trusted`], no blob is left to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffloadTo {
    /// `X-Accel-Redirect`: an internal location (nginx).
    Accel,
    /// `X-Sendfile`: a path of the file system (Apache's mod_xsendfile, lighttpd, Caddy).
    Sendfile,
}

/// An extension of a response: the path of its blob after the transaction has been committed.
///
/// A blob is an open file without a path, so its publisher names the path. The path is used only if
/// it leads to the very file of the blob after the commit. A file that has been renamed or replaced
/// since is streamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobPath(pub PathBuf);

/// An extension of a response whose blob is never left to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoOffload;
