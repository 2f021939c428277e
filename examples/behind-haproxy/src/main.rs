//! Behind HAProxy: who the client is, and at which address it sees the application.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use euryale_forwarded::{Client, ForwardedLayer, PublicUrl, TrustedProxies};
use euryale_server::{Server, Shutdown};
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
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let app = app("127.0.0.1".parse()?);
    Server::new()
        .listen(listener)
        .serve(app, Shutdown::signals()?)
        .await;
    Ok(())
}
