//! Leaves blobs to a reverse proxy: to nginx with `X-Accel-Redirect`, to Apache, lighttpd and Caddy
//! with `X-Sendfile`.

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

/// In a request's extensions: the request came through a proxy that sends files itself if the
/// response asks for it in this way.
///
/// A layer that knows its peers puts it there. Without it, and without [`OffloadLayer::trusted`],
/// no blob is left to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffloadTo {
    /// `X-Accel-Redirect`: an internal location (nginx).
    Accel,
    /// `X-Sendfile`: a path of the file system (Apache's mod_xsendfile, lighttpd, Caddy).
    Sendfile,
}

/// In a response's extensions: the path of its blob after the transaction has been committed.
///
/// A blob is an open file without a path, so its publisher names it. It is believed only when the
/// very file of the blob is found there, after the commit: a file that has been renamed or replaced
/// since is streamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobPath(pub PathBuf);

/// In a response's extensions: this response is never left to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoOffload;
