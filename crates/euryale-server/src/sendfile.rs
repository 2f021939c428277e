//! Files leave with `sendfile(2)`, from stock hyper.
//!
//! hyper writes the chunks of a body with `writev`, straight from the `Bytes` that it was given. So
//! a blob's body is made to give `Bytes` that lie in a read-only map of the file, which nobody
//! reads; the socket that hyper writes to knows the addresses of the map, and where hyper asks it
//! to write some of them, it calls `sendfile` with the file. A chunk that is copied or read on its
//! way, after all, holds the right bytes: what is sent never depends on the trick.
//!
//! The parts: [`Windows`], what one socket knows; `map`, the maps; `reader`, the body that gives
//! windows; `cold`, which brings pages into the page cache off the runtime's threads;
//! [`SendfileIo`], the socket.

mod cold;
mod io;
mod map;
mod reader;
mod windows;

use std::sync::Arc;

use euryale_core::{Blob, BlobHandle};
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Response};
use http_body::Body;

pub use self::io::SendfileIo;
use self::reader::ThroughWindow;
pub(crate) use self::windows::Windows;

/// Lets the body of `response` leave through `windows`, if it is a blob that may, and that nothing
/// has changed on its way to here.
pub(crate) fn arm<B: Body>(response: &Response<B>, windows: &Arc<Windows>) {
    let Some(handle) = response.extensions().get::<BlobHandle>() else {
        return;
    };
    if response.body().size_hint().exact() != Some(handle.len()) {
        return;
    }
    // A coding that is not the file's own is somebody's who reads the body.
    let codings = response.headers().get_all(CONTENT_ENCODING);
    let is_its_own = |blob: &Blob| {
        codings
            .iter()
            .map(HeaderValue::as_bytes)
            .eq(blob.coding().map(str::as_bytes))
    };
    // A process that reads the map of a truncated file is killed, and some layer may read it.
    let blob = handle
        .blob()
        .filter(|blob| blob.is_stable() && !blob.is_empty() && is_its_own(blob));
    // Not every file system can map its files. Then it is read as was said before.
    if let Some(reader) = blob.and_then(|blob| ThroughWindow::open(windows, blob).ok()) {
        handle.read_by(Arc::new(reader));
    }
}
