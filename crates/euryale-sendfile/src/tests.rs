//! Tests of files under plain `axum::serve`. The tests of `euryale-server` send files through its
//! own sockets.

use std::io::Write;
use std::net::SocketAddr;

use ::axum::Router;
use ::axum::extract::ConnectInfo;
use ::axum::routing::get;
use euryale_core::Ledger;
use euryale_core::body::UnnamedFile;
use euryale_test::{RawClient, assert_quiet};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower_http::trace::TraceLayer;

use crate::SendfileBook;
use crate::axum::{SendfileListener, sendfile};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_plain_axum_as_well() {
    let bytes: Vec<u8> = (0..3_000_017_u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    let mut file = UnnamedFile::create(std::env::temp_dir()).unwrap();
    file.write_all(&bytes).unwrap();
    let blob = file.into_blob().unwrap();
    let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let app = Router::new()
        .route("/", get(async move || blob.clone()))
        .route("/who", get(who))
        .layer(TraceLayer::new_for_http());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ledger = Ledger::new();
    let listener = SendfileListener::new(listener).ledger(ledger.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = ::axum::serve(listener, sendfile(app)).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving.into_future());

    let mut client = RawClient::connect(address).await.unwrap();
    for sent in 1..=2 {
        let answer = client.get("/").await.unwrap();
        assert!(answer.body == bytes);
        assert_eq!(ledger.of::<SendfileBook>().blobs.get(), sent);
    }
    let who = client.get("/who").await.unwrap().text();
    assert_eq!(who, client.local_addr().unwrap().to_string());
    drop(client);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert_quiet(&ledger).await;
}
