//! Tests of the pages on a real listener, beside a running server.

#[cfg(unix)]
mod console;
#[cfg(target_os = "linux")]
mod descriptors;
mod pages;
#[cfg(unix)]
mod relay;
mod status;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use euryale_core::Ledger;
use euryale_server::{Drained, Server, ServerBook, Shutdown};
use euryale_test::{Answer, AsyncGate, RawClient};
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::Admin;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running server, and the address of the pages for operators.
struct Site {
    address: SocketAddr,
    admin: SocketAddr,
    ledger: Ledger,
    shutdown: Shutdown,
    serving: JoinHandle<Drained>,
}

impl Site {
    /// Serves `app`, and the pages that `admin` returns.
    async fn start(
        server: Server,
        app: Router,
        admin: impl FnOnce(&Ledger, &Shutdown) -> Admin,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let operators = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admin_address = operators.local_addr().unwrap();
        let ledger = Ledger::new();
        let shutdown = Shutdown::new();
        let server = server
            .listen(listener)
            .ledger(ledger.clone())
            .admin(operators, admin(&ledger, &shutdown));
        let serving = tokio::spawn(server.serve(app, shutdown.clone()));
        Self {
            address,
            admin: admin_address,
            ledger,
            shutdown,
            serving,
        }
    }

    /// A client of the site.
    async fn peer(&self) -> Peer {
        Peer::new(self.address).await
    }

    /// A client of the pages for operators.
    async fn operator(&self) -> Peer {
        Peer::new(self.admin).await
    }

    /// Drains the server, and checks that the ledger is quiet.
    async fn end(self) -> Drained {
        self.shutdown.drain();
        let drained = within(self.serving).await.unwrap();
        assert_eq!(self.ledger.of::<ServerBook>().sockets.open.get(), 0);
        drained
    }
}

/// A client whose reads have a deadline.
struct Peer(RawClient);

impl Peer {
    async fn new(address: SocketAddr) -> Self {
        Self(within(RawClient::connect(address)).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        within(self.0.send(text)).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Answer {
        within(self.0.get(path)).await.unwrap()
    }

    /// Sends a request, and reads the response to it.
    async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        within(self.0.read_answer(false)).await.unwrap()
    }

    /// Reads only the head, for a response to HEAD or one without an end.
    async fn head(&mut self) -> (u16, HeaderMap) {
        let head = within(self.0.read_head()).await.unwrap();
        (head.status.as_u16(), head.headers)
    }

    /// Reads until an event of this name has arrived.
    async fn event(&mut self, name: &str) {
        let line = format!("event: {name}\n");
        within(self.0.read_until(line.as_bytes())).await.unwrap();
    }

    /// Reads everything until the server closes the connection.
    async fn rest(&mut self) -> Vec<u8> {
        within(self.0.read_to_end()).await.unwrap()
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("in time")
}
