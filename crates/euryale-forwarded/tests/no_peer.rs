//! A server that does not say who its peers are. Alone in this program, since it listens to what
//! the process logs.

use std::convert::Infallible;

use euryale_core::request::{Peer, PeerAddr};
use euryale_core::{Body, Response};
use euryale_forwarded::{Client, ForwardedLayer, TrustedProxies};
use euryale_test::Log;
use http::Request;
use tower::{Layer, ServiceExt, service_fn};

async fn see(request: Request<()>) -> Result<Response, Infallible> {
    let client = Client::of(request.extensions()).map(|client| client.to_string());
    assert_eq!(client.as_deref(), Some("unknown"));
    Ok(Response::new(Body::empty()))
}

#[tokio::test]
async fn the_log_warns_once_that_no_peer_is_trusted() {
    let log = Log::of_process();
    let ask = async |layer: &ForwardedLayer, peer: Option<PeerAddr>| {
        let mut request = Request::get("/").header("x-forwarded-for", "192.0.2.7");
        if let Some(peer) = peer {
            request = request.extension(Peer::new(peer));
        }
        layer
            .layer(service_fn(see))
            .oneshot(request.body(()).unwrap())
            .await
            .unwrap();
    };
    let nobody = ForwardedLayer::new(TrustedProxies::none());
    ask(&nobody, None).await;
    let trusting = ForwardedLayer::new("10.0.0.0/8".parse().unwrap());
    ask(&trusting, Some(PeerAddr::Unknown)).await; // a PROXY header said so
    assert!(log.lines().is_empty(), "{:?}", log.lines());

    ask(&trusting, None).await;
    ask(&trusting, None).await;
    let lines = log.lines();
    assert!(
        lines.len() == 1 && lines[0].starts_with("WARN no request says who its peer is"),
        "{lines:?}"
    );
}
