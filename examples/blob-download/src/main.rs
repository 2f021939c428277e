//! An axum route that answers with an open file. A layer adds ranges and validators, and the
//! listener sends it by `sendfile(2)`.

use std::fs::File;
use std::io;
use std::path::Path;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use euryale_blob::{ServeBlobLayer, media_type};
use euryale_core::Blob;
use euryale_core::body::UnnamedFile;
use euryale_sendfile::axum::{SendfileListener, sendfile};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

/// Returns a copy that nobody can change. Only such a file may be sent from the page cache.
fn copy_of(path: &Path) -> io::Result<Blob> {
    let mut copy = UnnamedFile::create(std::env::temp_dir())?;
    io::copy(&mut File::open(path)?, &mut copy)?;
    Ok(copy.into_blob()?.typed(media_type(path)))
}

async fn download(State(blob): State<Blob>) -> Blob {
    blob
}

fn app(blob: Blob, layer: ServeBlobLayer) -> Router {
    Router::new()
        .route("/", get(download))
        .with_state(blob)
        .layer(layer)
}

/// Raises the limit of descriptors, because each download has an open socket and shells allow 1,024
/// descriptors.
fn raise_descriptor_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    raise_descriptor_limit()?;
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "README.md".to_owned());
    let blob = copy_of(path.as_ref())?;
    let listener = SendfileListener::new(TcpListener::bind("127.0.0.1:3000").await?);
    axum::serve(listener, sendfile(app(blob, ServeBlobLayer::new()))).await
}
