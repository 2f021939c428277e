use axum::Router;
use axum::routing::get;

use super::http2::{PREFACE, SETTINGS, next_frame};
use super::*;
use crate::ServerBook;

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn sockets_beyond_the_limit_wait() {
    let site = Site::start(Server::new().max_sockets(2), app()).await;
    let mut first = site.peer().await;
    first.get("/").await;
    let mut second = site.peer().await;
    second.get("/").await;
    let mut third = site.peer().await;
    third.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // The sockets are served one after the other: the third request cannot run before one of the
    // others ends.
    assert_eq!(first.get("/").await.1, "hello");
    assert_eq!(site.ledger.of::<ServerBook>().sockets.open.get(), 2);
    drop(first);
    assert_eq!(third.response().await.1, "hello");
    site.end().await;
}

#[tokio::test]
async fn a_drain_ends_while_peers_wait_for_a_place() {
    let site = Site::start(Server::new().max_sockets(1), app()).await;
    let mut first = site.peer().await;
    first.get("/").await;
    let mut second = site.peer().await;
    second.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let drained = site.end().await;
    assert!(drained.is_complete());
    assert_eq!(second.rest().await, b"");
}

#[tokio::test]
async fn the_number_of_sockets_per_peer_is_limited() {
    let site = Site::start(Server::new().max_sockets_per_peer(1), app()).await;
    let mut first = site.peer().await;
    first.get("/").await;
    assert_eq!(site.peer().await.rest().await, b"");
    eventually(|| site.closed() == "refused 1").await;
    drop(first);
    site.all_closed().await;
    let mut again = site.peer().await;
    assert_eq!(again.get("/").await.1, "hello");
    site.end().await;
}

/// Each request has begun when it is reset, so h2's own limit does not count it.
#[tokio::test]
async fn paced_resets_end_the_socket() {
    let gate = AsyncGate::new();
    let dropped = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let guard = dropped.clone();
    let handler = move || async move {
        let _guard = Dropped(guard);
        held.pass().await;
    };
    let site = Site::start(
        Server::new().max_resets(5),
        Router::new().route("/", get(handler)),
    )
    .await;
    let mut peer = site.peer().await;
    peer.send([PREFACE, SETTINGS].concat()).await;
    for stream in (1..=11).step_by(2) {
        peer.send([
            0, 0, 6, 1, 5, 0, 0, 0, stream, 0x82, 0x84, 0x86, 0x01, 1, b'a',
        ])
        .await;
        gate.arrived().await;
        peer.send([0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 8])
            .await;
        within(dropped.acquire()).await.unwrap().forget();
    }
    let mut last = None;
    while let Some((kind, _, payload)) = next_frame(&mut peer).await {
        if kind == 7 {
            last = Some(payload);
        }
    }
    // ENHANCE_YOUR_CALM.
    assert_eq!(last.unwrap()[4..], [0, 0, 0, 11]);
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "flood 1");
    site.end().await;
}

#[tokio::test]
async fn half_closed_means_gone_unless_it_is_allowed() {
    for allowed in [false, true] {
        let gate = AsyncGate::new();
        let dropped = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let guard = dropped.clone();
        let handler = move || async move {
            let _guard = Dropped(guard);
            held.pass().await;
            "answered"
        };
        let app = Router::new().route("/", get(handler));
        let site = Site::start(Server::new().half_close(allowed), app).await;
        let mut peer = site.peer().await;
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        peer.stream().shutdown().await.unwrap();
        gate.arrived().await;
        if allowed {
            gate.let_through(1);
            assert_eq!(peer.response().await.1, "answered");
        } else {
            assert_eq!(peer.rest().await, b"");
        }
        let _ = within(dropped.acquire()).await.unwrap();
        site.end().await;
    }
}
