//! The parts: [`Windows`], the files that one socket may send; `map`, their maps; `reader`, the
//! body that yields windows; `small`, the body of a file that is not worth one; `cold`, which
//! brings pages into the page cache off the runtime's threads; `unsent`, how much the kernel
//! accepts for a peer; [`SendfileIo`], the socket.

mod cold;
mod io;
mod map;
mod reader;
mod small;
mod unsent;
mod windows;

use std::sync::Arc;

use euryale_core::Blob;
use euryale_core::body::BlobHandle;
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Response};
use http_body::Body;

pub use self::cold::declare_threads;
pub use self::io::SendfileIo;
use self::reader::ThroughWindow;
use self::small::Small;
pub use self::unsent::limit_unsent;
pub(crate) use self::unsent::{PLACES, Places};
pub use self::windows::Windows;

/// Sends the body of `response` through `windows`, if it is a suitable blob and nothing has changed
/// the body on its way here.
///
/// Call it outside every middleware, for a response that is written to the [`SendfileIo`] of these
/// windows by HTTP/1. On another socket, the file is written from its map.
pub fn arm<B: Body>(response: &Response<B>, windows: &Windows) {
    let Some(handle) = response.extensions().get::<BlobHandle>() else {
        return;
    };
    if response.body().size_hint().exact() != Some(handle.len()) {
        return;
    }
    // A coding that is not the file's own was added by middleware that reads the body.
    let codings = response.headers().get_all(CONTENT_ENCODING);
    let is_its_own = |blob: &Blob| {
        codings
            .iter()
            .map(HeaderValue::as_bytes)
            .eq(blob.coding().map(str::as_bytes))
    };
    // Only stable blobs are mapped: a process that reads the map of a truncated file is killed, and
    // a layer may read it.
    let blob = handle
        .blob()
        .filter(|blob| blob.is_stable() && !blob.is_empty() && is_its_own(blob));
    let Some(blob) = blob else {
        return;
    };
    if let Some(small) = Small::read(&windows.counts().book, &blob) {
        handle.read_by(Arc::new(small));
        return;
    }
    // Not every file system can map its files. Such files are read as usual.
    if let Ok(reader) = ThroughWindow::open(windows, blob) {
        handle.read_by(Arc::new(reader));
    }
}
