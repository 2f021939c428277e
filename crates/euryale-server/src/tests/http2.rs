use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use euryale_core::Body;
use http::Version;
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncRead;

use super::*;
use crate::ServerBook;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const END_STREAM: u8 = 1;

pub(super) async fn connect(site: &Site) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(site.address).await.unwrap();
    let (client, driver) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(driver);
    client
}

pub(super) fn request(method: &str, path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://a{path}");
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Empty::new())
        .unwrap()
}

/// The bodies that a service may return for HEAD. There is no Router, because axum would remove
/// them.
async fn bodies(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let response = Response::builder();
    let response = match request.uri().path() {
        "/hello" => response.body(Body::from("hello")),
        "/stream" => response.body(Body::new(Once(Some(Frame::data(Bytes::from_static(
            b"chunk",
        )))))),
        "/own" => response
            .header(CONTENT_LENGTH, 7)
            .body(Body::from("seven b")),
        "/left-out" => response.header(CONTENT_LENGTH, 7).body(Body::empty()),
        "/nothing" => response.status(204).body(Body::empty()),
        "/wrong" => response
            .status(204)
            .body(Body::from("a body that 204 cannot have")),
        _ => response.body(Body::empty()),
    };
    Ok(response.unwrap())
}

struct Once(Option<Frame<Bytes>>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(Ok))
    }
}

#[tokio::test]
async fn prior_knowledge_is_served() {
    let app = tower::service_fn(|request: Request<Incoming>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        assert!(
            request
                .extensions()
                .get::<euryale_core::request::Peer>()
                .is_some()
        );
        Ok(Response::new(Body::from(request.uri().path().to_owned())))
    });
    let site = Site::start(Server::new(), app).await;
    let mut client = connect(&site).await;
    for path in ["/one", "/two"] {
        let response = within(client.send_request(request("GET", path)))
            .await
            .unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let body = within(response.into_body().collect())
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body, path);
    }
    assert_eq!(
        site.ledger.of::<ServerBook>().response_head_seconds.count(),
        2
    );
    drop(client);
    site.all_closed().await;
    assert_eq!(site.closed(), "finished 1");
    site.end().await;
}

#[tokio::test]
async fn head_has_the_length_of_get() {
    let site = Site::start(Server::new(), tower::service_fn(bodies)).await;
    let mut client = connect(&site).await;
    let lengths = [
        ("/hello", Some("5")),
        ("/stream", None),
        ("/own", Some("7")),
        ("/left-out", Some("7")),
        ("/nothing", None),
        ("/wrong", None),
        ("/", None),
    ];
    for (path, length) in lengths {
        let response = within(client.send_request(request("HEAD", path)))
            .await
            .unwrap();
        let told = response
            .headers()
            .get(CONTENT_LENGTH)
            .map(|length| length.to_str().unwrap());
        assert_eq!(told, length, "{path}");
        let body = within(response.into_body().collect())
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body, "", "{path}");
    }
    drop(client);
    site.end().await;
}

/// The test reads single frames: the headers of the response end its stream.
#[tokio::test]
async fn head_sends_no_data() {
    let site = Site::start(Server::new(), tower::service_fn(bodies)).await;
    for path in ["/hello", "/stream"] {
        let mut peer = site.peer().await;
        // Static table (RFC 7541 Appendix A): 2 is `:method`, 4 is `:path`, 6 is `:scheme: http`, 1
        // is `:authority`.
        let mut block = vec![0x86, 0x02, 4];
        block.extend(b"HEAD");
        block.extend([0x04, u8::try_from(path.len()).unwrap()]);
        block.extend(path.as_bytes());
        block.extend([0x01, 1, b'a']);
        let length = u8::try_from(block.len()).unwrap();
        peer.send([PREFACE, SETTINGS].concat()).await;
        peer.send(
            [
                &[0, 0, length, 1, 4 | END_STREAM, 0, 0, 0, 1],
                block.as_slice(),
            ]
            .concat(),
        )
        .await;
        let flags = loop {
            let (kind, flags, _) = next_frame(&mut peer).await.unwrap();
            assert_ne!(kind, 0, "DATA");
            if kind == 1 {
                break flags;
            }
        };
        assert_eq!(flags & END_STREAM, END_STREAM, "{path}");
    }
    site.end().await;
}

/// Returns type, flags and payload of the next frame (RFC 9113 §4.1), or `None` at the end.
pub(super) async fn next_frame(peer: &mut Peer) -> Option<(u8, u8, Vec<u8>)> {
    frame_from(peer.stream()).await
}

pub(super) async fn frame_from(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    within(stream.read_exact(&mut head)).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    within(stream.read_exact(&mut payload)).await.ok()?;
    Some((head[3], head[4], payload))
}

/// A body that never ends. Its guard reports when it is dropped.
pub(super) struct Endless {
    pub(super) _guard: Dropped,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
    }
}

#[tokio::test]
async fn a_reset_drops_the_handler_and_leaves_the_socket() {
    let gate = AsyncGate::new();
    let dropped = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let guard = dropped.clone();
    let handler = move || async move {
        let _guard = Dropped(guard);
        held.pass().await;
    };
    let app = Router::new()
        .route("/held", get(handler))
        .route("/hello", get(|| async { "hello" }));
    let site = Site::start(Server::new(), app).await;
    let mut client = connect(&site).await;
    let pending = tokio::spawn(client.send_request(request("GET", "/held")));
    gate.arrived().await;
    pending.abort();
    let _ = within(dropped.acquire()).await.unwrap();
    let response = within(client.send_request(request("GET", "/hello")))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    drop((client, response));
    site.end().await;
}

/// An endless body, which counts the bytes that were read.
struct Counted(Arc<AtomicUsize>);

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = vec![b'x'; 16 << 10];
        self.0.fetch_add(chunk.len(), Ordering::SeqCst);
        std::task::Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }
}

/// The peer opens large windows and reads nothing, so its windows do not limit the bytes in the
/// server.
#[tokio::test]
async fn a_peer_that_reads_nothing_has_little_kept_for_it() {
    const STREAMS: usize = 100;
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let body = match request.uri().path() {
            "/ping" => Body::from("pong"),
            _ => Body::new(Counted(count.clone())),
        };
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let site = Site::start(Server::new(), service).await;
    let mut peer = site.peer().await;
    peer.send(PREFACE).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 16 MiB, and a WINDOW_UPDATE of 1 GiB for the connection (RFC
    // 9113 §6.5.2, §6.9).
    peer.send([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0])
        .await;
    peer.send([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x40, 0, 0, 0]).await;
    for stream in 0..STREAMS {
        // GET / of http, at `a`.
        let head = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
        let id = u32::try_from(2 * stream + 1).unwrap().to_be_bytes();
        peer.send([&[0, 0, 6, 1, 5][..], &id, &head].concat()).await;
    }
    // All runnable tasks run between a request of another peer and its answer.
    let mut other = site.peer().await;
    let mut before = 0;
    let mut still = 0;
    while still < 20 {
        other.get("/ping").await;
        let now = taken.load(Ordering::SeqCst);
        still = if now == before && now > 0 {
            still + 1
        } else {
            0
        };
        before = now;
    }
    let sockets = 8 << 20;
    assert!(
        before <= sockets + STREAMS * (16 << 10),
        "{before} bytes for {STREAMS} streams that stall"
    );
    drop((peer, other));
    site.all_closed().await;
    site.end().await;
}

#[tokio::test]
async fn requests_that_are_refused_are_counted_and_the_socket_stays() {
    let site = Site::start(Server::new(), tower::service_fn(bodies)).await;
    let mut client = connect(&site).await;
    let long = format!("/{}", "x".repeat(32 << 10));
    for (path, status) in [(long.as_str(), 414), ("/hello", 200)] {
        let response = client.send_request(request("GET", path)).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!(site.ledger.of::<ServerBook>().requests_refused.get(), 1);
    drop(client);
    site.all_closed().await;
    site.end().await;
}
