//! Tests of limits and time-outs that change while the server is running.

use axum::Router;
use axum::routing::get;

use super::*;
use crate::ServerBook;

const HOUR: Duration = Duration::from_secs(3600);

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn new_sockets_have_the_new_time_outs_and_open_ones_keep_theirs() {
    let server = Server::new().idle_timeout(HOUR).head_timeout(HOUR);
    let changes = server.changes();
    let site = Site::start(server, app()).await;
    let mut old = site.peer().await;
    assert_eq!(old.get("/").await.1, "hello");
    let short = Duration::from_millis(50);
    changes.apply(
        &Server::new()
            .idle_timeout(short)
            .head_timeout(short)
            .max_headers(3),
    );
    let mut new = site.peer().await;
    assert_eq!(new.get("/").await.1, "hello");
    assert_eq!(new.rest().await, b"");
    let mut half = site.peer().await;
    half.send("GET / HT").await;
    assert!(half.rest().await.starts_with(b"HTTP/1.1 408 "));
    let fields = "GET / HTTP/1.1\r\nhost: a\r\na: b\r\na: b\r\na: b\r\n\r\n";
    let mut many = site.peer().await;
    many.send(fields).await;
    assert!(many.rest().await.starts_with(b"HTTP/1.1 431 "));
    old.send(fields).await;
    assert_eq!(old.response().await.1, "hello");
    site.end().await;
}

#[tokio::test]
async fn a_lower_limit_of_sockets_closes_none_and_new_ones_wait() {
    let server = Server::new().max_sockets(2).idle_timeout(HOUR);
    let changes = server.changes();
    let site = Site::start(server, app()).await;
    let mut one = site.peer().await;
    let mut two = site.peer().await;
    assert_eq!(
        (one.get("/").await.1, two.get("/").await.1),
        ("hello".to_owned(), "hello".to_owned())
    );
    changes.apply(&Server::new().max_sockets(1));
    assert_eq!(one.get("/").await.1, "hello");
    let mut three = site.peer().await;
    three.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    drop(one);
    eventually(|| site.ledger.of::<ServerBook>().sockets.finished.get() == 1).await;
    for _ in 0..20 {
        assert_eq!(two.get("/").await.1, "hello");
        assert_eq!(
            site.ledger.of::<ServerBook>().sockets.open.get(),
            1,
            "its place is gone"
        );
    }
    drop(two);
    assert_eq!(three.response().await.1, "hello");
    changes.apply(&Server::new().max_sockets(3));
    let mut more = [site.peer().await, site.peer().await];
    for peer in &mut more {
        assert_eq!(peer.get("/").await.1, "hello");
    }
    assert_eq!(site.ledger.of::<ServerBook>().sockets.open.get(), 3);
    site.end().await;
}

#[tokio::test]
async fn a_new_limit_of_sockets_per_peer_applies_at_once() {
    let server = Server::new();
    let changes = server.changes();
    // Changes also apply before the server starts.
    changes.apply(&Server::new().max_sockets_per_peer(2));
    let site = Site::start(server, app()).await;
    let mut peers = [site.peer().await, site.peer().await];
    for peer in &mut peers {
        assert_eq!(peer.get("/").await.1, "hello");
    }
    assert_eq!(site.peer().await.rest().await, b"");
    changes.apply(&Server::new().max_sockets_per_peer(3));
    assert_eq!(site.peer().await.get("/").await.1, "hello");
    site.end().await;
}
