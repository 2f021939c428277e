use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::{get, post};
use http::{Method, StatusCode, Uri};

use super::*;
use crate::ServerBook;
use crate::socket::SocketCell;

async fn site(idle: Duration) -> Site {
    let asked = Arc::new(AtomicUsize::new(0));
    let app = Router::new().route(
        "/",
        get(move || async move { asked.fetch_add(1, Ordering::SeqCst).to_string() }),
    );
    Site::start(Server::new().idle_timeout(idle), app).await
}

async fn rested(site: &Site, count: i64) {
    eventually(|| site.ledger.of::<ServerBook>().sockets.resting.get() == count).await;
}

#[tokio::test]
async fn a_socket_that_rested_is_asked_again() {
    let site = site(Duration::from_secs(30)).await;
    let mut peer = site.peer().await;
    for n in 0..3 {
        assert_eq!(peer.get("/").await.1, n.to_string());
        rested(&site, 1).await;
    }
    // Two heads are sent at once, the first of them in two parts, between which the socket does not
    // rest.
    peer.send("GET / HTTP/1.1\r\nho").await;
    rested(&site, 0).await;
    peer.send("st: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert_eq!(
        (peer.response().await.1, peer.response().await.1),
        ("3".to_owned(), "4".to_owned())
    );
    rested(&site, 1).await;
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    assert_eq!(site.ledger.of::<ServerBook>().sockets.resting.get(), 0);
    site.end().await;
}

#[tokio::test]
async fn a_resting_socket_is_closed_after_the_idle_timeout() {
    let site = site(Duration::from_millis(300)).await;
    let mut peer = site.peer().await;
    let began = tokio::time::Instant::now();
    peer.get("/").await;
    assert_eq!(peer.rest().await, b"");
    assert!(
        began.elapsed() >= Duration::from_millis(300),
        "{:?}",
        began.elapsed()
    );
    site.all_closed().await;
    assert_eq!(site.closed(), "idle 1");
    site.end().await;
}

#[tokio::test]
async fn an_idle_time_shorter_than_a_rest_holds() {
    let site = site(Duration::from_millis(20)).await;
    let mut peer = site.peer().await;
    peer.get("/").await;
    assert_eq!(peer.rest().await, b"");
    site.all_closed().await;
    assert_eq!(site.closed(), "idle 1");
    site.end().await;
}

#[tokio::test]
async fn a_drain_closes_resting_sockets() {
    let site = site(Duration::from_secs(30)).await;
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = site.peer().await;
        peer.get("/").await;
        peers.push(peer);
    }
    rested(&site, 20).await;
    site.shutdown.drain();
    for peer in &mut peers {
        assert_eq!(peer.rest().await, b"");
    }
    let drained = site.end().await;
    assert_eq!((drained.finished, drained.cut), (20, 0));
}

#[tokio::test]
async fn half_a_head_does_not_rest() {
    let site = site(Duration::from_secs(30)).await;
    let mut peer = site.peer().await;
    peer.get("/").await;
    rested(&site, 1).await;
    peer.send("G").await;
    rested(&site, 0).await;
    let mut other = site.peer().await;
    other.get("/").await;
    rested(&site, 1).await;
    assert_eq!(site.ledger.of::<ServerBook>().sockets.open.get(), 2);
    peer.send("ET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(peer.response().await.1, "2");
    site.end().await;
}

/// hyper has read the first part by then. If the socket rested, hyper's state would be lost, and
/// the second part would be read as a request.
#[tokio::test]
async fn some_of_a_head_that_came_early_is_kept() {
    let gate = AsyncGate::new();
    let idle = Duration::from_secs(30);
    let held = gate.clone();
    let app = Router::new()
        .route("/", get(|| async { "first" }))
        .route("/", post(|body: String| async { body }))
        .route("/held", get(move || async move { held.pass().await }))
        .route("/next", get(|| async { "next" }));
    for (first, early) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\nG", ""),
        (
            "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\nx: ",
            "",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nokGET /next HTTP/1.1\r\n\
                host: a\r\nx: ",
            "",
        ),
        (
            "GET /held HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /next HTTP/1.1\r\nhost: a\r\nx: ",
        ),
    ] {
        let site = Site::start(Server::new().idle_timeout(idle), app.clone()).await;
        let mut peer = site.peer().await;
        let mut other = site.peer().await;
        peer.send(first).await;
        if !early.is_empty() {
            gate.arrived().await;
            peer.send(early).await;
            // The earlier bytes have been read when this request is answered.
            other.get("/").await;
            gate.let_through(1);
        }
        peer.response().await;
        // When a socket that was answered later rests, this one has had the time to rest as well.
        other.get("/").await;
        rested(&site, 1).await;
        let rest = "ET /next HTTP/1.1\r\nhost: a\r\n\r\n";
        peer.send(if first.ends_with('G') {
            rest
        } else {
            "GET /evil HTTP/1.1\r\n\r\n"
        })
        .await;
        let (head, body) = peer.response().await;
        assert!(
            head.starts_with("HTTP/1.1 200 ") && body == "next",
            "{first:?}: {head}"
        );
        drop((peer, other));
        site.end().await;
    }
}

/// A `Uri` from hyper is a slice of its read buffer, and keeps all of it alive.
#[test]
fn upgraded_socket_keeps_nothing_of_its_head() {
    let head = Bytes::from(b"/path".to_vec());
    let cell = Arc::new(SocketCell::new(Arc::default()));
    let uri = Uri::from_maybe_shared(head.clone()).unwrap();
    let mut running = cell.asked(false, false, Method::GET, uri, None);
    running.answered(StatusCode::SWITCHING_PROTOCOLS);
    drop(running);
    assert_eq!(&*cell.upgraded().unwrap().1, "/path");
    assert!(head.is_unique());
}

/// Closing a socket with unread bytes resets it, and a reset may overtake the answer.
#[tokio::test]
async fn last_word_on_an_upgraded_socket_can_be_read() {
    let app = tower::service_fn(|mut request: Request<Incoming>| async move {
        tokio::spawn(async move {
            let socket = hyper::upgrade::on(&mut request).await.unwrap();
            let mut socket = hyper_util::rt::TokioIo::new(socket);
            assert_eq!(socket.read_u8().await.unwrap(), b'x');
            socket.write_all(b"enough").await.unwrap();
        });
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "echo");
        Ok(response.body(String::new()).unwrap())
    });
    let site = Site::start(Server::new(), app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await;
    peer.head().await;
    peer.send(vec![b'x'; 1 << 20]).await;
    let said = within(peer.client.read_to_end()).await;
    assert_eq!(said.unwrap(), b"enough");
    drop(peer);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    site.end().await;
}
