use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use axum::Router;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::ServerBook;
use crate::socket::{Open, ServerIo, Socket, SocketCell};
use crate::transport::Drains;

fn app() -> Router {
    // The response needs more than one write, because the socket's buffers are smaller.
    let large = || async { vec![b'x'; 8 << 20] };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/empty", get(|| async {}))
        .route("/large", get(large))
        .route("/echo", post(|body: String| async { body }))
}

#[tokio::test]
async fn each_response_counts_once_with_keep_alive() {
    let site = Site::start(Server::new(), app()).await;
    let mut peer = site.peer().await;
    for (path, count) in ["/", "/empty", "/large", "/missing", "/"]
        .into_iter()
        .zip(1..)
    {
        peer.get(path).await;
        assert_eq!(
            site.ledger.of::<ServerBook>().response_head_seconds.count(),
            count,
            "{path}"
        );
    }
    drop(peer);
    site.all_closed().await;
    assert_eq!(
        site.ledger.of::<ServerBook>().response_head_seconds.count(),
        5
    );
    site.end().await;
}

#[tokio::test]
async fn each_response_counts_once_with_pipelining() {
    let site = Site::start(Server::new(), app()).await;
    let mut peer = site.peer().await;
    let paths = ["/", "/large", "/empty", "/empty", "/large", "/", "/"];
    let requests: String = paths
        .map(|path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .concat();
    peer.send(requests).await;
    for _ in paths {
        peer.response().await;
    }
    drop(peer);
    site.all_closed().await;
    assert_eq!(
        site.ledger.of::<ServerBook>().response_head_seconds.count(),
        paths.len() as u64
    );
    site.end().await;
}

#[tokio::test]
async fn a_hundred_continue_is_no_response() {
    let site = Site::start(Server::new(), app()).await;
    let mut peer = site.peer().await;
    peer.send(
        "POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
    )
    .await;
    assert!(peer.head().await.starts_with("HTTP/1.1 100 "));
    assert_eq!(
        site.ledger.of::<ServerBook>().response_head_seconds.count(),
        0
    );
    peer.send("ok").await;
    assert_eq!(peer.response().await.1, "ok");
    assert_eq!(
        site.ledger.of::<ServerBook>().response_head_seconds.count(),
        1
    );
    site.end().await;
}

#[tokio::test]
async fn a_response_that_is_never_written_does_not_count() {
    let gate = AsyncGate::new();
    let held = gate.clone();
    let app = Router::new().route("/", get(move || async move { held.pass().await }));
    let site = Site::start(Server::new(), app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    drop(peer);
    site.all_closed().await;
    assert_eq!(
        site.ledger.of::<ServerBook>().response_head_seconds.count(),
        0
    );
    site.end().await;
}

impl Drains for tokio::io::DuplexStream {
    fn drained(&self) -> u32 {
        0
    }
}

/// Two heads behind one write, as happens with a slow reader.
#[tokio::test]
async fn heads_that_wait_behind_each_other_count_once_each() {
    let ledger = Ledger::new();
    let cell = Arc::new(SocketCell::new(ledger.of()));
    let (io, _other) = tokio::io::duplex(64);
    let open = Open::new(
        cell.clone(),
        &AtomicUsize::new(0),
        TaskTracker::new().token(),
        None,
    );
    let (mut io, _back) = ServerIo::new(Socket { io, open }, 0, 0, &CancellationToken::new());
    let seconds = &ledger.of::<ServerBook>().response_head_seconds;
    io.write_all(b"body of an earlier response").await.unwrap();
    assert_eq!(seconds.count(), 0);
    let parsed = Instant::now();
    cell.given(parsed);
    assert_eq!(seconds.count(), 0);
    cell.given(parsed);
    assert_eq!(seconds.count(), 1);
    io.write_all(b"both heads").await.unwrap();
    assert_eq!(seconds.count(), 2);
    io.write_all(b"body").await.unwrap();
    assert_eq!(seconds.count(), 2);
    assert!(seconds.sum() <= parsed.elapsed() * 2);
}
