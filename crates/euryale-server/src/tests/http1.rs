use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http_body::Frame;

use super::*;
use crate::ServerBook;
use euryale_core::request::Peer as Sender;

fn echo() -> Router {
    Router::new().route(
        "/{word}",
        get(|Path(word): Path<String>| async move { word }),
    )
}

#[tokio::test]
async fn keep_alive_serves_one_request_after_the_other() {
    let site = Site::start(Server::new(), echo()).await;
    let mut peer = site.peer().await;
    for word in ["one", "two", "three"] {
        let (head, body) = peer.get(&format!("/{word}")).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, word);
    }
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    site.end().await;
}

#[tokio::test]
async fn without_keep_alive_the_socket_closes() {
    let site = Site::start(Server::new().keep_alive(false), echo()).await;
    let mut peer = site.peer().await;
    let (head, _) = peer.get("/one").await;
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(peer.rest().await, b"");
    site.end().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let gate = AsyncGate::new();
    let held = gate.clone();
    let app = echo().route(
        "/held",
        get(move || async move {
            held.pass().await;
            "held"
        }),
    );
    let site = Site::start(Server::new(), app).await;
    let mut peer = site.peer().await;
    let requests: String = ["held", "two", "three"]
        .map(|word| format!("GET /{word} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .concat();
    peer.send(requests).await;
    gate.arrived().await;
    gate.let_through(1);
    for word in ["held", "two", "three"] {
        assert_eq!(peer.response().await.1, word);
    }
    site.end().await;
}

#[tokio::test]
async fn head_has_the_length_of_get_and_no_body() {
    let site = Site::start(Server::new(), echo()).await;
    let mut peer = site.peer().await;
    peer.send("HEAD /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(content_length(&peer.head().await), Some(5));
    // If a body had been sent, the next response would not begin here.
    assert_eq!(peer.get("/again").await.1, "again");
    site.end().await;
}

#[tokio::test]
async fn requests_know_their_peer() {
    let app = tower::service_fn(|request: Request<Incoming>| async move {
        let peer = request.extensions().get::<Sender>().cloned();
        Ok(Response::new(peer.unwrap().address().to_string()))
    });
    let site = Site::start(Server::new(), app).await;
    let mut peer = site.peer().await;
    let own = peer.address().to_string();
    assert_eq!(peer.get("/").await.1, own);
    site.end().await;
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let site = Site::start(Server::new(), echo()).await;
    let large = format!(
        "GET /a HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "x".repeat(64 << 10)
    );
    let many = format!(
        "GET /a HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(100)
    );
    for request in [large, many] {
        let mut peer = site.peer().await;
        // The server may answer and close before it has read the whole request.
        let _ = peer.stream().write_all(request.as_bytes()).await;
        let head = peer.head().await;
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    }
    site.all_closed().await;
    assert_eq!(site.closed(), "head_too_large 2");
    assert_eq!(site.ledger.of::<ServerBook>().requests_refused.get(), 2);
    let mut peer = site.peer().await;
    let fits = format!(
        "GET /a HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(99)
    );
    peer.send(fits).await;
    assert_eq!(peer.response().await.1, "a");
    site.end().await;
}

/// A body whose length is unknown, and which does not end after its first part.
struct Part {
    is_sent: bool,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Fails,
    Panics,
    Waits,
}

impl http_body::Body for Part {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !std::mem::replace(&mut self.is_sent, true) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"part")))));
        }
        match self.then {
            Then::Fails => Poll::Ready(Some(Err(io::Error::other("broken")))),
            Then::Panics => panic!("a bug in a body"),
            Then::Waits => Poll::Pending,
        }
    }
}

/// Without a length, HTTP/1.0 has no other sign of an incomplete body than a reset. nginx speaks
/// HTTP/1.0 to its upstreams by default.
#[tokio::test]
async fn body_that_breaks_off_never_looks_complete() {
    for then in [Then::Fails, Then::Panics, Then::Waits] {
        let app = tower::service_fn(move |_: Request<Incoming>| async move {
            let is_sent = false;
            Ok(Response::new(Part { is_sent, then }))
        });
        let site = Site::start(Server::new(), app).await;
        let mut old = site.peer().await;
        old.send("GET / HTTP/1.0\r\n\r\n").await;
        let mut new = site.peer().await;
        new.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        if then == Then::Waits {
            old.head().await;
            new.head().await;
            site.shutdown.cut();
        }
        let mut rest = Vec::new();
        let read = within(old.stream().read_to_end(&mut rest)).await;
        let kind = read.map_err(|error| error.kind());
        let reset = Err(io::ErrorKind::ConnectionReset);
        assert_eq!(kind, reset, "{then:?}: {rest:?}");
        let rest = new.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"));
        site.end().await;
    }
}

#[tokio::test]
async fn every_listener_is_served() {
    let (other, address) = bind().await;
    let site = Site::start(Server::new().listen(other), echo()).await;
    assert_eq!(site.peer().await.get("/one").await.1, "one");
    assert_eq!(Peer::new(address).await.get("/two").await.1, "two");
    site.end().await;
}

#[tokio::test]
async fn a_panic_ends_its_own_socket_only() {
    let app = echo().route(
        "/panic",
        get(|| async {
            if true {
                panic!("a bug in a handler");
            }
        }),
    );
    let site = Site::start(Server::new(), app).await;
    let mut polite = site.peer().await;
    assert_eq!(polite.get("/one").await.1, "one");
    let mut peer = site.peer().await;
    peer.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(peer.rest().await, b"");
    eventually(|| site.closed() == "failed 1").await;
    assert_eq!(polite.get("/two").await.1, "two");
    site.end().await;
}

#[tokio::test]
async fn the_handler_is_dropped_when_its_peer_disconnects() {
    let gate = AsyncGate::new();
    let dropped = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let guard = dropped.clone();
    let app = Router::new().route(
        "/",
        get(move || async move {
            let _guard = Dropped(guard);
            held.pass().await;
        }),
    );
    let site = Site::start(Server::new(), app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    drop(peer);
    let _ = within(dropped.acquire()).await.unwrap();
    site.all_closed().await;
    assert_eq!(site.closed(), "failed 1");
    site.end().await;
}
