//! An axum route that answers with an open file: ranges and validators by a layer, `sendfile(2)` by
//! the listener.

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

/// A copy that nobody can change: only such a file is sent from the page cache.
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

/// Each download has a socket open, and a shell allows 1,024 descriptors.
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
