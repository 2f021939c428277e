//! An application behind HAProxy finds out the client's address and its own public URL.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use euryale_forwarded::{Client, ForwardedLayer, PublicUrl, TrustedProxies};
use euryale_server::{DescriptorLimit, DescriptorShares, Server, Shutdown};
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

async fn page(client: Client, public: PublicUrl) -> String {
    format!(
        "{client} sees {}\n",
        public.url("/news").unwrap_or_default()
    )
}

fn app(proxies: TrustedProxies) -> Router {
    Router::new()
        .route("/", get(page))
        .layer(ForwardedLayer::new(proxies))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = DescriptorLimit::raise()?.fit(DescriptorShares::new(20_000));
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let app = app("127.0.0.1".parse()?);
    Server::new()
        .listen(listener)
        .max_sockets(descriptors.sockets)
        .serve(app, Shutdown::signals()?)
        .await;
    Ok(())
}
