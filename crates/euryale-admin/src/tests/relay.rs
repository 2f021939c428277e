//! One address for several processes.

use std::os::unix::net::UnixListener as SilentListener;
use std::path::Path;
use std::time::Instant;

use euryale_server::{Listener, UnixSocket};
use http::header::{CONNECTION, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tower_service::Service;

use super::*;
use crate::{Relay, RelayedProcess};

/// The time that a relay waits for a process.
const SECOND: Duration = Duration::from_secs(1);

fn process(folder: &Path, process: usize) -> RelayedProcess {
    RelayedProcess {
        process,
        pid: 1,
        is_ready: true,
        socket: folder.join(process.to_string()),
    }
}

fn relay(folder: &Path, count: usize) -> Relay {
    let all: Vec<_> = (1..=count).map(|number| process(folder, number)).collect();
    Relay::new(move || all.clone(), &Shutdown::new())
}

fn serve(folder: &Path, number: usize, app: Router) -> (Shutdown, JoinHandle<Drained>) {
    let listener: Listener = UnixSocket::new(process(folder, number).socket)
        .bind()
        .unwrap();
    let shutdown = Shutdown::new();
    let server = Server::new().listen(listener).lame_duck(Duration::ZERO);
    let serving = tokio::spawn(server.serve(app, shutdown.clone()));
    (shutdown, serving)
}

async fn ask(relay: &Relay, path: &str) -> Response<euryale_core::Body> {
    let request = Request::get(path).body(()).unwrap();
    within(relay.clone().call(request)).await.unwrap()
}

#[tokio::test]
async fn stuck_processes_delay_no_answer_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // They accept connections into their queues, and never answer.
    let stuck = [1, 2, 3].map(|number| process(folder, number).socket);
    let _stuck = stuck.map(|path| SilentListener::bind(path).unwrap());
    let app = Router::new()
        .route("/readyz", axum::routing::get(async || "ready\n"))
        .route(
            "/metrics",
            axum::routing::get(async || "# TYPE a gauge\na 1\n"),
        );
    let (shutdown, serving) = serve(folder, 4, app);
    let relay = relay(folder, 4);

    let begin = Instant::now();
    assert_eq!(ask(&relay, "/readyz").await.status(), StatusCode::OK);
    let took = begin.elapsed();
    assert!(took < SECOND / 2, "{took:?}");

    let begin = Instant::now();
    let metrics = ask(&relay, "/metrics").await.into_body();
    let took = begin.elapsed();
    let metrics = metrics.collect().await.unwrap().to_bytes();
    assert_eq!(metrics, "# TYPE a gauge\na{process=\"4\"} 1\n");
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");

    shutdown.drain();
    assert!(within(serving).await.unwrap().is_complete());
    assert_eq!(
        ask(&relay, "/readyz").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn answers_are_in_the_order_of_the_processes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gate = AsyncGate::new();
    let held = gate.clone();
    let first = Router::new().fallback(async move || {
        held.pass().await;
        "first"
    });
    let opens = gate.clone();
    let second = Router::new().fallback(async move || {
        opens.arrived().await;
        opens.let_through(1);
        "second"
    });
    let servers = [serve(folder, 1, first), serve(folder, 2, second)];
    let answers = within(relay(folder, 2).ask("/")).await;
    let answers: Vec<_> = answers
        .iter()
        .map(|(it, text)| (it.process, text.as_str()))
        .collect();
    assert_eq!(answers, [(1, "first"), (2, "second")]);
    for (shutdown, serving) in servers {
        shutdown.drain();
        assert!(within(serving).await.unwrap().is_complete());
    }
}

#[tokio::test]
async fn headers_of_the_connection_to_a_process_are_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listener = UnixListener::bind(process(folder, 1).socket).unwrap();
    let serving = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                      content-type: text/plain\r\n\r\n4\r\npage\r\n0\r\n\r\n";
        let mut request = [0; 1024];
        assert!(peer.read(&mut request).await.unwrap() > 0);
        peer.write_all(answer.as_bytes()).await.unwrap();
    });
    let relay = relay(folder, 1);
    let answer = ask(&relay, "/process/1/status").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
    for name in [CONNECTION, TRANSFER_ENCODING] {
        assert_eq!(answer.headers().get(&name), None);
    }
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "page");
    within(serving).await.unwrap();
}
