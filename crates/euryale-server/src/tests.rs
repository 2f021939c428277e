//! Tests with real sockets on loopback. They poll with a deadline for anything that may take time,
//! and hold handlers with gates.

mod changes;
#[cfg(feature = "tls")]
mod classes;
mod deadlines;
mod drain;
mod floods;
mod head_seconds;
mod http1;
mod http2;
mod lame_duck;
mod limits;
#[cfg(unix)]
mod listeners;
mod refused;
mod resting;
#[cfg(target_os = "linux")]
mod sendfile;
mod silence;
#[cfg(target_os = "linux")]
mod stalled_files;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "tls", target_os = "linux"))]
mod written;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::{BoxError, Ledger};
use euryale_test::{AsyncGate, RawClient};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower_service::Service;

use crate::{Drained, Incoming, Server, ServerBook, Shutdown};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
struct Site {
    address: SocketAddr,
    ledger: Ledger,
    shutdown: Shutdown,
    serving: JoinHandle<Drained>,
}

impl Site {
    async fn start<S, B>(server: Server, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (listener, address) = bind().await;
        let ledger = Ledger::new();
        let shutdown = Shutdown::new();
        let server = server.listen(listener).ledger(ledger.clone());
        let serving = tokio::spawn(server.serve(service, shutdown.clone()));
        Self {
            address,
            ledger,
            shutdown,
            serving,
        }
    }

    async fn peer(&self) -> Peer {
        Peer::new(self.address).await
    }

    /// Returns the endings of sockets from the metrics, such as `idle 2, cut 1`.
    fn closed(&self) -> String {
        let metrics = self.ledger.exposition();
        let reasons = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("euryale_sockets_closed_total{reason=\""));
        let counts = reasons
            .filter_map(|line| line.split_once("\"} "))
            .filter(|(_, count)| *count != "0");
        counts
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    async fn all_closed(&self) {
        eventually(|| self.ledger.of::<ServerBook>().sockets.open.get() == 0).await;
    }

    /// Drains without a lame duck, and checks that everything was returned.
    async fn end(self) -> Drained {
        self.shutdown.drain_at_once();
        let drained = within(self.serving).await.unwrap();
        assert_eq!(self.ledger.of::<ServerBook>().sockets.open.get(), 0);
        drained
    }
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A client whose steps must all end in time.
struct Peer {
    client: RawClient,
}

impl Peer {
    async fn new(address: SocketAddr) -> Self {
        let client = within(RawClient::connect(address)).await.unwrap();
        Self { client }
    }

    /// Returns the socket. Bytes that arrived together with a head have already been read from it.
    fn stream(&mut self) -> &mut TcpStream {
        self.client.stream()
    }

    fn address(&self) -> SocketAddr {
        self.client.local_addr().unwrap()
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.client.send(bytes)).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> (String, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        self.response().await
    }

    async fn head(&mut self) -> String {
        within(self.client.read_head()).await.unwrap().text
    }

    async fn bytes(&mut self, length: usize) -> Vec<u8> {
        within(self.client.read_exactly(length)).await.unwrap()
    }

    /// Reads head and body of one response, which must have a `Content-Length`.
    async fn response(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = content_length(&head).expect("a length");
        let body = self.bytes(length).await;
        (head, String::from_utf8(body).unwrap())
    }

    /// Reads everything until the server closes the connection. A reset also counts as an end.
    async fn rest(&mut self) -> Vec<u8> {
        within(self.client.read_rest()).await
    }
}

fn content_length(head: &str) -> Option<usize> {
    head.lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map(|length| length.parse().unwrap())
}

/// Reports when it is dropped.
struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("in time")
}

async fn eventually(condition: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    within(async {
        while !condition() {
            ticks.tick().await;
        }
    })
    .await;
}

/// A program may share a server that has not started yet.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Server>();
};

#[test]
fn waiting_peers_are_logged_at_the_beginning_and_at_the_end() {
    let mut waits = crate::accept::Waits::default();
    let start = tokio::time::Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(waits.found(at(0)), None);
    assert!(waits.waited(at(1)), "the first");
    assert!(!waits.waited(at(2)));
    assert_eq!(waits.found(at(3)), None, "one place is no end");
    assert!(!waits.waited(at(4)));
    assert_eq!(waits.found(at(4 + 60)), Some(3));
    assert_eq!(waits.found(at(100)), None);
    assert!(waits.waited(at(101)), "anew");
    waits.has_waited(at(120));
    assert_eq!(waits.found(at(121)), None, "one waited just now");
    assert_eq!(waits.found(at(120 + 10)), Some(1));
}

#[test]
fn pauses_between_failed_accepts_grow_to_a_second() {
    let mut backoff = crate::accept::Backoff::new();
    let pauses: Vec<Duration> = std::iter::repeat_with(|| backoff.pause())
        .take(10)
        .collect();
    assert_eq!(pauses[..3], [5, 10, 20].map(Duration::from_millis));
    assert_eq!(pauses[9], Duration::from_secs(1));
}
