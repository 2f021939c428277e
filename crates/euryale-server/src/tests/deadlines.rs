//! Tests of peers that stop in the middle of a request or a response.

use axum::Router;
use axum::routing::{get, post};
use euryale_core::{Body, Error};
use http_body_util::BodyExt;

use super::http2::{PREFACE, SETTINGS};
use super::*;

const TIMEOUT: Duration = Duration::from_millis(150);

/// Reads the body, and answers as `RespondLayer` would.
async fn upload(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let read = request.into_body().collect().await;
    let status = match read {
        Ok(_) => http::StatusCode::OK,
        Err(error) => Error::from(error).class().status(),
    };
    Ok(Response::builder()
        .status(status)
        .body(Body::from("read"))
        .unwrap())
}

#[tokio::test]
async fn a_stalled_body_ends_with_an_answer_to_its_peer() {
    for beginning in [
        "content-length: 100\r\n\r\nhalf",
        "content-length: 100\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let site = Site::start(
            Server::new().body_timeout(TIMEOUT),
            tower::service_fn(upload),
        )
        .await;
        let mut peer = site.peer().await;
        peer.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{beginning}"))
            .await;
        let (head, _) = peer.response().await;
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        drop(peer);
        site.all_closed().await;
        assert_eq!(site.closed(), "body_elapsed 1");
        site.end().await;
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_refused() {
    let server = Server::new()
        .body_timeout(PATIENCE)
        .body_rate(1000, TIMEOUT);
    let site = Site::start(server, tower::service_fn(upload)).await;
    let mut peer = site.peer().await;
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n")
        .await;
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
    assert_eq!(site.closed(), "body_elapsed 1");
    site.end().await;
}

#[tokio::test]
async fn a_body_that_is_not_being_read_has_no_deadline() {
    let gate = AsyncGate::new();
    let held = AsyncGate::new();
    let arrived = gate.clone();
    let go = held.clone();
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let arrived = arrived.clone();
        let go = go.clone();
        async move {
            arrived.pass().await;
            go.pass().await;
            upload(request).await
        }
    });
    let site = Site::start(
        Server::new().body_timeout(TIMEOUT).head_timeout(TIMEOUT),
        service,
    )
    .await;
    let mut peer = site.peer().await;
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n")
        .await;
    gate.arrived().await;
    gate.let_through(1);
    held.arrived().await;
    // When a silent peer that connects now is closed, the time of the first one is over as well.
    site.peer().await.rest().await;
    held.let_through(1);
    peer.send("body").await;
    assert!(peer.response().await.0.starts_with("HTTP/1.1 200 "));
    site.end().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let large = || async { vec![b'x'; 64 << 20] };
    let app = Router::new().route("/", get(large));
    let site = Site::start(Server::new().write_timeout(TIMEOUT), app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    peer.head().await;
    site.all_closed().await;
    assert_eq!(site.closed(), "stalled 1");
    // The kernel drops the unread bytes as well.
    assert!(peer.rest().await.len() < 64 << 20);
    site.end().await;
}

#[tokio::test]
async fn a_peer_that_reads_slowly_is_not_closed() {
    let large = || async { vec![b'x'; 16 << 20] };
    let app = Router::new().route("/", get(large));
    let site = Site::start(Server::new().write_timeout(4 * TIMEOUT), app).await;
    let mut peer = site.peer().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    peer.head().await;
    let mut ticks = tokio::time::interval(TIMEOUT / 3);
    for _ in 0..16 {
        ticks.tick().await;
        peer.bytes(1 << 20).await;
    }
    assert_eq!(peer.rest().await, b"");
    site.end().await;
}

/// Connects an HTTP/2 peer whose streams have no window (SETTINGS_INITIAL_WINDOW_SIZE 0).
pub(super) async fn without_window(site: &Site) -> Peer {
    let mut peer = site.peer().await;
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    peer.send([PREFACE, &settings].concat()).await;
    peer
}

/// A body of two pieces.
struct Pieces(Vec<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop().map(|piece| Ok(http_body::Frame::data(piece))))
    }
}

/// Each piece takes longer than a peer may read nothing.
#[tokio::test]
async fn a_stream_that_is_taken_slowly_is_not_reset() {
    const PIECE: usize = 12 << 10;
    let service = tower::service_fn(|_| async {
        Ok(Response::new(Pieces(vec![
            Bytes::from(vec![b'x'; PIECE]);
            2
        ])))
    });
    let site = Site::start(Server::new().write_timeout(2 * TIMEOUT), service).await;
    let mut peer = without_window(&site).await;
    peer.send(get_on(1)).await;
    let mut ticks = tokio::time::interval(TIMEOUT / 3);
    let mut all = 0;
    let mut has_ended = false;
    while !has_ended {
        ticks.tick().await;
        // WINDOW_UPDATE of 1 KiB for the stream.
        peer.send([0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 4, 0]).await;
        let (kind, flags, payload) = loop {
            let frame = super::http2::next_frame(&mut peer).await.unwrap();
            if frame.0 == 0 || frame.0 == 3 {
                break frame;
            }
        };
        assert_eq!(kind, 0, "reset");
        all += payload.len();
        has_ended = flags & 1 == 1;
    }
    assert_eq!(all, 2 * PIECE);
    drop(peer);
    site.all_closed().await;
    site.end().await;
}

/// Returns the HEADERS of `GET /` from the static table (RFC 7541 Appendix A), which end the
/// stream.
fn get_on(stream: u8) -> [u8; 15] {
    [
        0, 0, 6, 1, 5, 0, 0, 0, stream, 0x82, 0x84, 0x86, 0x01, 1, b'a',
    ]
}

#[tokio::test]
async fn a_stream_without_window_is_reset() {
    let gate = AsyncGate::new();
    let dropped = Arc::new(Semaphore::new(0));
    let arrived = gate.clone();
    let guard = dropped.clone();
    let service = tower::service_fn(move |_| {
        arrived.arrive();
        let body = super::http2::Endless {
            _guard: Dropped(guard.clone()),
        };
        async move { Ok(Response::new(body)) }
    });
    let site = Site::start(
        Server::new().write_timeout(TIMEOUT).idle_timeout(TIMEOUT),
        service,
    )
    .await;
    let mut peer = without_window(&site).await;
    peer.send(get_on(1)).await;
    gate.arrived().await;
    let _ = within(dropped.acquire()).await.unwrap();
    let mut cancelled = false;
    let mut goaway = false;
    while let Some((kind, _, payload)) = super::http2::next_frame(&mut peer).await {
        cancelled |= kind == 3 && payload == [0, 0, 0, 8];
        goaway |= kind == 7;
    }
    // The stream is cancelled, and then the connection ends because no stream is left.
    assert!(cancelled && goaway);
    site.all_closed().await;
    site.end().await;
}

#[tokio::test]
async fn small_unread_answers_end_with_their_socket() {
    let site = Site::start(
        Server::new().write_timeout(TIMEOUT).idle_timeout(TIMEOUT),
        tower::service_fn(upload),
    )
    .await;
    let mut peer = without_window(&site).await;
    peer.send(get_on(1)).await;
    while super::http2::next_frame(&mut peer).await.is_some() {}
    site.all_closed().await;
    assert_eq!(site.closed(), "idle 1");
    site.end().await;
}

#[tokio::test]
async fn an_idle_http2_peer_gets_goaway() {
    let site = Site::start(
        Server::new().idle_timeout(TIMEOUT),
        tower::service_fn(upload),
    )
    .await;
    let mut peer = site.peer().await;
    peer.send([PREFACE, SETTINGS].concat()).await;
    peer.send(get_on(1)).await;
    let mut kinds = Vec::new();
    while let Some((kind, ..)) = super::http2::next_frame(&mut peer).await {
        kinds.push(kind);
        // h2 waits for an acknowledgement before it closes.
        if kind == 6 {
            peer.send([
                0, 0, 8, 6, 1, 0, 0, 0, 0, 0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54,
            ])
            .await;
        }
    }
    assert!(kinds.contains(&7), "{kinds:?}");
    site.all_closed().await;
    assert_eq!(site.closed(), "idle 1");
    site.end().await;
}

#[tokio::test]
async fn a_route_that_reads_nothing_is_answered_for() {
    let app = Router::new().route("/", post(|| async { "thanks" }));
    let site = Site::start(Server::new().body_timeout(TIMEOUT), app).await;
    let mut peer = site.peer().await;
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf")
        .await;
    assert_eq!(peer.response().await.1, "thanks");
    drop(peer);
    site.all_closed().await;
    site.end().await;
}
