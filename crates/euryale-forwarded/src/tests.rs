mod axum_serve;
mod directives;
mod fields;
mod hosts;
mod spoofing;
mod tables;

use std::convert::Infallible;

use euryale_core::request::{Peer, PeerAddr};
use euryale_core::{Body, Response};
use http::{Request, StatusCode, Uri, Version};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{
    Client, Field, ForwardedLayer, HostTable, PublicUrl, TrustedProxies, VirtualHostLayer,
};

/// The request that reached the application.
#[derive(Debug, PartialEq)]
struct Seen {
    client: String,
    is_proxied: bool,
    home: String,
    root: String,
    target: Uri,
    headers: Vec<(String, String)>,
}

/// Trusted proxies at `10.0.0.0/8` and on a Unix socket.
fn proxies() -> TrustedProxies {
    "10.0.0.0/8, 2001:db8::/32, unix".parse().unwrap()
}

fn proxy() -> PeerAddr {
    PeerAddr::Tcp(([10, 0, 0, 1], 4711).into())
}

fn stranger() -> PeerAddr {
    PeerAddr::Tcp(([192, 0, 2, 66], 4711).into())
}

/// Sends a request through both layers.
async fn pass(
    layers: (ForwardedLayer, VirtualHostLayer),
    peer: Peer,
    target: &str,
    fields: &[(&str, &str)],
) -> Result<Seen, StatusCode> {
    let service = ServiceBuilder::new()
        .layer(layers.0)
        .layer(layers.1)
        .service(service_fn(see));
    let request = Request::get(target).extension(peer);
    let request = fields.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let mut response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    match response.extensions_mut().remove::<std::sync::Arc<Seen>>() {
        Some(seen) => Ok(std::sync::Arc::into_inner(seen).unwrap()),
        None => Err(response.status()),
    }
}

async fn see(request: Request<()>) -> Result<Response, Infallible> {
    let client = Client::of(request.extensions());
    let url = PublicUrl::of(request.extensions());
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let seen = Seen {
        client: client.unwrap().to_string(),
        is_proxied: client.unwrap().is_proxied(),
        home: url.unwrap().to_string(),
        root: url.unwrap().root().to_owned(),
        target: request.uri().clone(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
    };
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(std::sync::Arc::new(seen));
    Ok(response)
}

async fn forwarded(fields: &[(&str, &str)]) -> Result<Seen, StatusCode> {
    let layers = (
        ForwardedLayer::new(proxies()),
        VirtualHostLayer::new(TrustedProxies::none()),
    );
    pass(
        layers,
        Peer::new(proxy()),
        "/page?x=1",
        &[&[("host", "inside:8080")], fields].concat(),
    )
    .await
}

async fn by_rfc(forwarded: &str) -> Result<Seen, StatusCode> {
    let layer = ForwardedLayer::new(proxies()).fields([Field::Forwarded, Field::XForwardedPrefix]);
    let layers = (layer, VirtualHostLayer::new(TrustedProxies::none()));
    let fields = [
        ("host", "inside:8080"),
        ("forwarded", forwarded),
        ("x-forwarded-for", "203.0.113.1"),
    ];
    pass(layers, Peer::new(proxy()), "/page", &fields).await
}

async fn by_path(target: &str) -> Result<Seen, StatusCode> {
    let layers = (
        ForwardedLayer::new(TrustedProxies::none()),
        VirtualHostLayer::new(proxies()),
    );
    pass(layers, Peer::new(proxy()), target, &[("host", "nohost")]).await
}

async fn by_table(table: &str, host: &str, target: &str) -> Result<Seen, StatusCode> {
    let table: HostTable = table.parse().unwrap();
    let virtual_hosts = VirtualHostLayer::new(TrustedProxies::none()).table(table);
    let layers = (ForwardedLayer::new(TrustedProxies::none()), virtual_hosts);
    pass(layers, Peer::new(stranger()), target, &[("host", host)]).await
}
