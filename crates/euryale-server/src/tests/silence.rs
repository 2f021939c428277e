use axum::Router;
use axum::routing::get;

use super::*;

const TIMEOUT: Duration = Duration::from_millis(150);

async fn hasty() -> Site {
    let app = Router::new().route("/", get(|| async { "hello" }));
    Site::start(Server::new().head_timeout(TIMEOUT), app).await
}

#[tokio::test]
async fn silent_peers_are_closed_in_time() {
    let beginnings: [&[u8]; 6] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nhost:",
        b"PRI * HT",
        // All of the preface, and then no request.
        super::http2::PREFACE,
        b"\r\n\r\n",
    ];
    let site = hasty().await;
    for (beginning, before) in beginnings.into_iter().zip(0..) {
        let began = tokio::time::Instant::now();
        let mut peer = site.peer().await;
        peer.send(beginning).await;
        peer.rest().await;
        site.all_closed().await;
        assert!(began.elapsed() >= TIMEOUT, "{beginning:?}");
        assert_eq!(site.closed(), [0, 0, before + 1, 0], "{beginning:?}");
    }
    site.end().await;
}

#[tokio::test]
async fn trickling_does_not_extend_the_time() {
    let site = hasty().await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nx: ").await;
    let mut ticks = tokio::time::interval(TIMEOUT / 10);
    within(async {
        while peer.stream.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    })
    .await;
    site.all_closed().await;
    assert_eq!(site.closed(), [0, 0, 1, 0]);
    site.end().await;
}

#[tokio::test]
async fn half_a_second_request_is_closed_in_time() {
    let site = hasty().await;
    let mut peer = site.peer().await;
    peer.get("/").await;
    peer.send("GET / HT").await;
    peer.rest().await;
    site.all_closed().await;
    assert_eq!(site.closed(), [0, 0, 1, 0]);
    site.end().await;
}

/// The same timer, but nobody was late.
#[tokio::test]
async fn an_idle_socket_is_closed_and_has_finished() {
    let site = hasty().await;
    let mut peer = site.peer().await;
    peer.get("/").await;
    assert_eq!(peer.rest().await, b"");
    site.all_closed().await;
    assert_eq!(site.closed(), [1, 0, 0, 0]);
    site.end().await;
}

#[tokio::test]
async fn a_slow_handler_meets_no_deadline_for_heads() {
    let gate = Gate::new();
    let held = gate.clone();
    let handler = move || async move {
        held.pass().await;
        "late"
    };
    let server = Server::new().head_timeout(TIMEOUT);
    let site = Site::start(server, Router::new().route("/", get(handler))).await;
    let mut slow = site.peer().await;
    slow.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    // When a socket that came later was closed for its silence, the deadline of this one has passed as well.
    site.peer().await.rest().await;
    gate.open();
    assert_eq!(slow.response().await.1, "late");
    site.end().await;
}

#[tokio::test]
async fn a_peer_that_connects_and_leaves_has_finished() {
    let site = Site::start(Server::new(), Router::new()).await;
    drop(site.peer().await);
    eventually(|| site.closed() == [1, 0, 0, 0]).await;
    site.end().await;
}
