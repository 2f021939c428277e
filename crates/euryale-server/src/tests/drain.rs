use axum::Router;
use axum::routing::get;
use tokio::sync::oneshot;

use super::*;
use crate::ServerBook;

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn held(gate: &AsyncGate, dropped: &Arc<Semaphore>) -> Router {
    let gate = gate.clone();
    let dropped = dropped.clone();
    let handler = move || async move {
        let _guard = Dropped(dropped);
        gate.pass().await;
        "done"
    };
    Router::new()
        .route("/", get(handler))
        .route("/now", get(|| async { "now" }))
}

fn setup() -> (AsyncGate, Arc<Semaphore>, Router) {
    let gate = AsyncGate::new();
    let dropped = Arc::new(Semaphore::new(0));
    let app = held(&gate, &dropped);
    (gate, dropped, app)
}

#[tokio::test]
async fn a_response_in_flight_is_finished_and_new_peers_are_refused() {
    let (gate, _, app) = setup();
    let site = Site::start(Server::new(), app).await;
    let mut busy = site.peer().await;
    busy.send(REQUEST).await;
    gate.arrived().await;
    let mut idle = site.peer().await;
    idle.get("/now").await;
    let mut fresh = site.peer().await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 3).await;

    site.shutdown.drain();
    assert_eq!(idle.rest().await, b"");
    assert_eq!(fresh.rest().await, b"");
    assert!(TcpStream::connect(site.address).await.is_err());
    gate.let_through(1);
    let (head, body) = busy.response().await;
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(body, "done");
    assert_eq!(busy.rest().await, b"");
    let closed = site.closed();
    assert!(!site.shutdown.has_cut());
    let drained = site.end().await;
    assert_eq!((drained.finished, drained.cut), (3, 0));
    assert!(
        !closed.contains(", ") && !closed.contains("cut"),
        "{closed}"
    );
}

#[tokio::test]
async fn streams_in_flight_are_finished() {
    let (gate, _, app) = setup();
    let site = Site::start(Server::new(), app).await;
    let mut client = super::http2::connect(&site).await;
    let pending = tokio::spawn(client.send_request(super::http2::request("GET", "/")));
    gate.arrived().await;
    site.shutdown.drain();
    // Until GOAWAY reaches the client, it may open more streams.
    let until_refused = async {
        while client
            .send_request(super::http2::request("GET", "/now"))
            .await
            .is_ok()
        {}
    };
    within(until_refused).await;
    gate.let_through(1);
    assert_eq!(within(pending).await.unwrap().unwrap().status(), 200);
    let drained = site.end().await;
    assert_eq!((drained.finished, drained.cut), (1, 0));
}

/// Connects an HTTP/2 peer that answers no PING, with or without a request for `/` at the authority
/// `a`.
async fn reads_nothing(site: &Site, asks: bool, settings: &[u8]) -> Peer {
    let mut peer = site.peer().await;
    let head: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let head = if asks { head } else { &[] };
    peer.send([super::http2::PREFACE, settings, head].concat())
        .await;
    peer
}

/// Reads frames until one of this type, and returns its payload.
async fn frame(peer: &mut Peer, wanted: u8) -> Vec<u8> {
    loop {
        let (kind, _, payload) = super::http2::next_frame(peer).await.expect("a frame");
        if kind == wanted {
            return payload;
        }
    }
}

const DATA: u8 = 0;
const GOAWAY: u8 = 7;

#[tokio::test]
async fn an_idle_peer_that_reads_nothing_does_not_delay_the_drain() {
    let (gate, _, app) = setup();
    let site = Site::start(Server::new().drain_deadline(Duration::MAX), app).await;
    let mut asked = reads_nothing(&site, true, super::http2::SETTINGS).await;
    gate.arrived().await;
    gate.let_through(1);
    frame(&mut asked, DATA).await;
    // The server has read its preface, and it has sent no request.
    let mut fresh = reads_nothing(&site, false, super::http2::SETTINGS).await;
    frame(&mut fresh, 4).await;
    let ledger = site.ledger.clone();
    let drained = site.end().await;
    assert_eq!((drained.finished, drained.cut), (2, 0));
    assert_eq!(ledger.of::<ServerBook>().sockets.finished.get(), 2);
    drop((asked, fresh));
}

/// An answer may take its time, whether the service is still working on it or the peer's window is
/// small.
#[tokio::test]
async fn a_peer_that_acknowledges_nothing_gets_its_answer_in_a_drain() {
    let (gate, _, app) = setup();
    let site = Site::start(Server::new().drain_deadline(Duration::MAX), app).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 1: once one byte is written, hyper has all of the answer.
    let window = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1];
    let mut peer = reads_nothing(&site, true, &window).await;
    gate.arrived().await;
    site.shutdown.drain();
    frame(&mut peer, GOAWAY).await;
    let seconds_pass = async || {
        tokio::time::pause();
        for _ in 0..50 {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        tokio::time::resume();
    };
    seconds_pass().await;
    gate.let_through(1);
    assert_eq!(frame(&mut peer, DATA).await, b"d");
    seconds_pass().await;
    // WINDOW_UPDATE of 100 bytes for the stream.
    peer.send([0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 100]).await;
    assert_eq!(frame(&mut peer, DATA).await, b"one");
    let drained = site.end().await;
    assert_eq!((drained.finished, drained.cut), (1, 0));
}

#[tokio::test]
async fn the_deadline_cuts_what_never_returns() {
    let (gate, dropped, app) = setup();
    let site = Site::start(Server::new().drain_deadline(Duration::from_millis(50)), app).await;
    let mut http1 = site.peer().await;
    http1.send(REQUEST).await;
    let mut http2 = super::http2::connect(&site).await;
    let stream = tokio::spawn(http2.send_request(super::http2::request("GET", "/")));
    let mut partial = site.peer().await;
    partial.send("GET / HT").await;
    gate.arrived().await;
    gate.arrived().await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 3).await;

    site.shutdown.drain();
    assert!(!site.shutdown.has_cut());
    assert_eq!(http1.rest().await, b"");
    assert!(within(stream).await.unwrap().is_err());
    assert!(site.shutdown.has_cut());
    let ledger = site.ledger.clone();
    let drained = site.end().await;
    assert!(!drained.is_complete());
    assert_eq!(drained.cut + drained.finished, 3);
    assert_eq!(
        ledger.of::<ServerBook>().sockets.cut.get(),
        drained.cut as u64
    );
    assert!(drained.cut >= 2);
    let _ = within(dropped.acquire_many(2)).await.unwrap();
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let (gate, dropped, app) = setup();
    let (listener, address) = bind().await;
    let (first, on_first) = oneshot::channel::<()>();
    let (second, on_second) = oneshot::channel::<()>();
    let shutdown = Shutdown::after(async { drop(on_first.await) }, async {
        drop(on_second.await);
    });
    let server = Server::new().listen(listener).drain_deadline(Duration::MAX);
    let serving = tokio::spawn(server.serve(app, shutdown.clone()));
    let mut peer = Peer::new(address).await;
    peer.send(REQUEST).await;
    gate.arrived().await;

    first.send(()).unwrap();
    within(shutdown.draining()).await;
    assert!(!serving.is_finished() && !shutdown.has_cut());
    second.send(()).unwrap();
    let drained = within(serving).await.unwrap();
    assert!(shutdown.has_cut());
    assert_eq!((drained.finished, drained.cut), (0, 1));
    let _ = within(dropped.acquire()).await.unwrap();
}

/// The log cannot be written.
#[cfg(unix)]
struct BrokenLog;

#[cfg(unix)]
impl tracing::Subscriber for BrokenLog {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("euryale_server")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        std::panic::resume_unwind(Box::new("as scripted"));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(unix)]
#[tokio::test]
async fn signals_drain_and_cut_whatever_the_log_does() {
    let _log = euryale_test::subscribe_thread(BrokenLog);
    let kill = |signal: &str| {
        let mut kill = std::process::Command::new("kill");
        let status = kill
            .args(["-s", signal, &std::process::id().to_string()])
            .status();
        assert!(status.unwrap().success());
    };
    let shutdown = Shutdown::signals().unwrap();
    assert!(!shutdown.is_draining());
    kill("TERM");
    within(shutdown.draining()).await;
    kill("INT");
    within(shutdown.cutting()).await;
}

#[tokio::test]
async fn dropping_the_server_cuts() {
    let (gate, dropped, app) = setup();
    let site = Site::start(Server::new(), app).await;
    let mut peer = site.peer().await;
    peer.send(REQUEST).await;
    gate.arrived().await;
    site.serving.abort();
    assert_eq!(peer.rest().await, b"");
    let _ = within(dropped.acquire()).await.unwrap();
    site.all_closed().await;
    assert_eq!(site.closed(), "cut 1");
    let refused = || std::net::TcpStream::connect(site.address).is_err();
    eventually(refused).await;
}

/// The drain waits for an upgraded socket, which belongs to its route; at the deadline it is cut
/// like any other, whether the route reads, writes or does neither.
#[tokio::test]
async fn an_upgraded_socket_is_waited_for() {
    let soon = Duration::from_millis(20);
    for (is_tunnel, path, deadline) in [
        (false, "/waits", Duration::MAX),
        (false, "/waits", soon),
        (false, "/reads", soon),
        (false, "/writes", soon),
        (true, "waits:1", Duration::MAX),
        (true, "waits:1", soon),
        (true, "reads:1", soon),
        (true, "writes:1", soon),
    ] {
        let ends = AsyncGate::new();
        let dropped = Arc::new(Semaphore::new(0));
        let gate = ends.clone();
        let guard = dropped.clone();
        let app = tower::service_fn(move |request: Request<Incoming>| {
            tokio::spawn(upgraded(request, gate.clone(), Dropped(guard.clone())));
            let mut response = Response::new(String::new());
            if !is_tunnel {
                *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
                response
                    .headers_mut()
                    .insert("upgrade", http::HeaderValue::from_static("echo"));
                response
                    .headers_mut()
                    .insert("connection", http::HeaderValue::from_static("upgrade"));
            }
            async { Ok(response) }
        });
        let site = Site::start(Server::new().drain_deadline(deadline), app).await;
        let mut peer = site.peer().await;
        let (request, status) = if is_tunnel {
            (
                format!("CONNECT {path} HTTP/1.1\r\nhost: {path}\r\n\r\n"),
                "200",
            )
        } else {
            let upgrade = "connection: upgrade\r\nupgrade: echo";
            (
                format!("GET {path} HTTP/1.1\r\nhost: a\r\n{upgrade}\r\n\r\n"),
                "101",
            )
        };
        peer.send(request).await;
        assert!(
            peer.head()
                .await
                .starts_with(&format!("HTTP/1.1 {status} "))
        );
        ends.arrived().await;
        assert_eq!(site.ledger.of::<ServerBook>().sockets.open.get(), 1);
        site.shutdown.drain();
        let is_patient = deadline == Duration::MAX;
        if is_patient {
            ends.let_through(1);
        }
        let ledger = site.ledger.clone();
        let drained = within(site.serving).await.unwrap();
        assert_eq!(
            (drained.is_complete(), drained.cut),
            (is_patient, usize::from(!is_patient))
        );
        if path.contains("waits") {
            ends.let_through(1);
        }
        // A route that reads or writes notices the cut.
        let _ = within(dropped.acquire()).await.unwrap();
        eventually(|| ledger.of::<ServerBook>().sockets.open.get() == 0).await;
        let ended = [
            ledger.of::<ServerBook>().sockets.finished.get(),
            ledger.of::<ServerBook>().sockets.cut.get(),
        ];
        assert_eq!(
            ended,
            [u64::from(is_patient), u64::from(!is_patient)],
            "{path} {deadline:?}"
        );
    }
}

/// A route that ignores a drain.
async fn upgraded(mut request: Request<Incoming>, gate: AsyncGate, _guard: Dropped) {
    let asked = request.uri().to_string();
    let socket = hyper::upgrade::on(&mut request).await.unwrap();
    let mut socket = hyper_util::rt::TokioIo::new(socket);
    gate.arrive();
    match asked.trim_start_matches('/').trim_end_matches(":1") {
        "reads" => drop(socket.read(&mut [0]).await.unwrap_err()),
        "writes" => while socket.write_all(&[0; 1 << 16]).await.is_ok() {},
        _ => gate.wait().await,
    }
}

#[tokio::test]
async fn a_request_that_is_on_its_way_when_the_drain_begins_is_answered() {
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
    let site = Site::start(Server::new(), app).await;
    // There are three sockets: accepted, resting, and possibly still in the kernel's queue.
    let mut accepted = site.peer().await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    let mut rested = site.peer().await;
    assert_eq!(rested.get("/").await.1, "hello");
    eventually(|| site.ledger.of::<ServerBook>().sockets.resting.get() == 1).await;
    let mut last = site.peer().await;
    last.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    site.shutdown.drain();
    accepted.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    for peer in [&mut accepted, &mut last] {
        let (head, body) = peer.response().await;
        assert_eq!(body, "hello");
        assert!(
            head.contains("connection: close\r\n"),
            "a proxy must not use the socket again: {head}"
        );
        assert_eq!(peer.rest().await, b"", "and nothing more is taken");
    }
    assert_eq!(rested.rest().await, b"");
    assert!(site.end().await.is_complete());
}

#[tokio::test]
async fn a_silent_peer_does_not_delay_the_drain() {
    let site = Site::start(Server::new(), axum::Router::new()).await;
    let mut silent = site.peer().await;
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    site.shutdown.drain();
    assert_eq!(silent.rest().await, b"");
    assert!(site.end().await.is_complete());
}
