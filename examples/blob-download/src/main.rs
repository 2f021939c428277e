//! An axum route that answers with an open file: ranges and validators by a layer, `sendfile(2)` by
//! the listener.

use std::path::PathBuf;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use euryale_blob::ServeBlobLayer;
use euryale_core::{Abort, Blob};
use euryale_server::DescriptorLimit;
use euryale_server::axum::{SendfileListener, sendfile};
use tokio::fs::File;
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

async fn download(State(path): State<PathBuf>) -> Result<impl IntoResponse, Abort> {
    let file = File::open(path).await?.into_std().await;
    // A file that is only ever replaced, never changed in place.
    Ok(([(CONTENT_TYPE, "text/plain")], Blob::stable(file)?))
}

fn app(path: PathBuf, layer: ServeBlobLayer) -> Router {
    Router::new()
        .route("/", get(download))
        .with_state(path)
        .layer(layer)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // Each download has a socket and a file open; a shell allows 1,024.
    DescriptorLimit::raise()?;
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "README.md".to_owned());
    let listener = SendfileListener::new(TcpListener::bind("127.0.0.1:3000").await?);
    axum::serve(listener, sendfile(app(path.into(), ServeBlobLayer::new()))).await
}
