use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use euryale_test::RawClient;
use tower_layer::Layer;

use super::*;

/// Under plain `axum::serve` the peer is found by `ConnectInfo`, and the layers are around a whole
/// router.
#[tokio::test]
async fn the_layers_work_with_axum_serve() {
    let router = Router::new().route(
        "/folder/page",
        get(async |request: axum::extract::Request| {
            let client = Client::of(request.extensions());
            let url = PublicUrl::of(request.extensions());
            format!(
                "{} {}",
                client.unwrap(),
                url.unwrap().url("/folder/page").unwrap()
            )
        }),
    );
    let loopback: TrustedProxies = "127.0.0.1".parse().unwrap();
    let find = |extensions: &http::Extensions| {
        extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| PeerAddr::from(peer.0))
    };
    let inside = VirtualHostLayer::new(loopback.clone())
        .peer(find)
        .layer(router);
    let app =
        Router::new().fallback_service(ForwardedLayer::new(loopback).peer(find).layer(inside));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let mut client = RawClient::connect(address).await.unwrap();
    let path = "/VirtualHostBase/https/example.org:443/folder/VirtualHostRoot/_vh_a/page";
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.9\r\n\r\n");
    client.send(request).await.unwrap();
    assert_eq!(
        client.read_answer(false).await.unwrap().text(),
        "192.0.2.9 https://example.org/a/page"
    );
    client
        .send("GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: nobody\r\n\r\n")
        .await
        .unwrap();
    let refused = client.read_answer(false).await.unwrap();
    assert_eq!(
        (
            refused.status,
            refused.headers["content-type"].to_str().unwrap()
        ),
        (StatusCode::BAD_REQUEST, "application/problem+json")
    );
    assert!(refused.text().contains("x-forwarded-for") && !refused.text().contains("nobody"));
    serving.abort();
}
