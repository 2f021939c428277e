use axum::Router;
use axum::routing::get;

use super::*;

const TIMEOUT: Duration = Duration::from_millis(150);

async fn hasty() -> Site {
    let app = Router::new().route("/", get(|| async { "hello" }));
    Site::start(Server::new().head_timeout(TIMEOUT), app).await
}

/// Returns everything that the server sent.
async fn told(peer: &mut Peer) -> String {
    String::from_utf8_lossy(&peer.rest().await).into_owned()
}

#[tokio::test]
async fn silent_peers_are_closed_in_time() {
    let beginnings: [(&[u8], &str, bool); 6] = [
        (b"", "silent 1", false),
        (b"G", "head_elapsed 1", true),
        (b"GET / HTTP/1.1\r\nhost:", "head_elapsed 1", true),
        (b"PRI * HT", "head_elapsed 1", false),
        // The complete preface without a request.
        (super::http2::PREFACE, "head_elapsed 1", false),
        (b"\r\n\r\n", "head_elapsed 1", true),
    ];
    for (beginning, reason, is_told) in beginnings {
        let site = hasty().await;
        let began = tokio::time::Instant::now();
        let mut peer = site.peer().await;
        peer.send(beginning).await;
        let told = told(&mut peer).await;
        assert_eq!(told.starts_with("HTTP/1.1 408 "), is_told, "{told}");
        drop(peer);
        site.all_closed().await;
        assert!(began.elapsed() >= TIMEOUT, "{beginning:?}");
        assert_eq!(site.closed(), reason, "{beginning:?}");
        site.end().await;
    }
}

#[tokio::test]
async fn trickling_does_not_extend_the_time() {
    let site = hasty().await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nx: ").await;
    let mut ticks = tokio::time::interval(TIMEOUT / 10);
    let head = within(async {
        loop {
            tokio::select! {
                head = peer.head() => return head,
                _ = ticks.tick() => peer.stream().write_all(b"x").await.unwrap(),
            }
        }
    })
    .await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "head_elapsed 1");
    site.end().await;
}

#[tokio::test]
async fn half_a_second_request_is_closed_in_time() {
    let site = hasty().await;
    let mut peer = site.peer().await;
    peer.get("/").await;
    peer.send("GET / HT").await;
    assert!(told(&mut peer).await.starts_with("HTTP/1.1 408 "));
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "head_elapsed 1");
    site.end().await;
}

#[tokio::test]
async fn an_idle_socket_is_kept_for_longer_than_a_head() {
    let app = Router::new().route("/", get(|| async { "hello" }));
    let idle = 3 * TIMEOUT;
    let site = Site::start(Server::new().head_timeout(TIMEOUT).idle_timeout(idle), app).await;
    let mut peer = site.peer().await;
    peer.get("/").await;
    let began = tokio::time::Instant::now();
    assert_eq!(told(&mut peer).await, "");
    assert!(began.elapsed() >= idle);
    site.all_closed().await;
    assert_eq!(site.closed(), "idle 1");
    site.end().await;
}

/// The timer is set for the first head, and must not count as a deadline for what follows.
#[tokio::test]
async fn a_socket_that_is_used_is_not_idle() {
    let app = Router::new().route("/", get(|| async { "hello" }));
    let site = Site::start(
        Server::new().head_timeout(TIMEOUT).idle_timeout(TIMEOUT),
        app,
    )
    .await;
    let mut peer = site.peer().await;
    let began = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(TIMEOUT / 3);
    while began.elapsed() < 3 * TIMEOUT {
        assert_eq!(peer.get("/").await.1, "hello");
        ticks.tick().await;
    }
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    site.end().await;
}

#[tokio::test]
async fn a_slow_handler_meets_no_deadline_for_heads() {
    let gate = AsyncGate::new();
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
    // When a socket that came later was closed for its silence, the deadline of this one has passed
    // as well.
    site.peer().await.rest().await;
    gate.let_through(1);
    assert_eq!(slow.response().await.1, "late");
    site.end().await;
}

#[tokio::test]
async fn a_peer_that_connects_and_leaves_has_finished() {
    let site = Site::start(Server::new(), Router::new()).await;
    drop(site.peer().await);
    eventually(|| site.closed() == "finished 1").await;
    site.end().await;
}
