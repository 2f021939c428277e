//! The harness: a stack behind a real server, on a port that the kernel chose.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use euryale::connection::PoolBook;
use euryale::{Ledger, Pool, Publisher, Stack};
use euryale_server::{Drained, Server, ServerBook, Shutdown};
use euryale_test::{CountingDatabase, assert_quiet};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A stack that is being served.
#[derive(Debug)]
pub struct Site {
    /// Its address.
    pub address: SocketAddr,
    /// Its pool.
    pub pool: Pool<CountingDatabase>,
    shutdown: Shutdown,
    serving: JoinHandle<Drained>,
}

impl Site {
    /// Serves `publisher` on `connections` connections.
    ///
    /// # Panics
    /// No port is available.
    pub async fn start(connections: usize, publisher: impl Publisher<CountingDatabase>) -> Self {
        let pool = Pool::new(CountingDatabase::new(), connections);
        Self::with(pool, |stack| stack, publisher).await
    }

    /// Serves `publisher` on a pool and a stack with other settings.
    ///
    /// # Panics
    /// No port is available.
    pub async fn with(
        pool: Pool<CountingDatabase>,
        settings: impl FnOnce(Stack<CountingDatabase>) -> Stack<CountingDatabase>,
        publisher: impl Publisher<CountingDatabase>,
    ) -> Self {
        let stack = settings(Stack::new(pool.clone())).publisher(publisher);
        let (server, shutdown, address) = Self::server(&pool).await;
        let serving = tokio::spawn(server.serve(stack, shutdown.clone()));
        Self {
            address,
            pool,
            shutdown,
            serving,
        }
    }

    /// Serves `publisher` as the fallback of a Router, inside the layers that `around` puts there.
    ///
    /// # Panics
    /// No port is available.
    pub async fn behind(
        around: impl FnOnce(Router) -> Router,
        connections: usize,
        publisher: impl Publisher<CountingDatabase>,
    ) -> Self {
        let pool = Pool::new(CountingDatabase::new(), connections);
        let router =
            around(Router::new().fallback_service(Stack::new(pool.clone()).publisher(publisher)));
        let (server, shutdown, address) = Self::server(&pool).await;
        let serving = tokio::spawn(server.serve(router, shutdown.clone()));
        Self {
            address,
            pool,
            shutdown,
            serving,
        }
    }

    async fn server(pool: &Pool<CountingDatabase>) -> (Server, Shutdown, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port on loopback");
        let address = listener
            .local_addr()
            .expect("the address of a bound socket");
        let server = Server::new().listen(listener).ledger(pool.ledger().clone());
        (
            server.drain_deadline(Duration::from_secs(10)),
            Shutdown::new(),
            address,
        )
    }

    /// Its ledger.
    pub fn ledger(&self) -> &Ledger {
        self.pool.ledger()
    }

    /// Returns how many requests have reached the queue: those that run, wait, have left it or have
    /// ended.
    ///
    /// Never too many: a request that moves from one number to the next while they are read is
    /// missed, not counted twice.
    pub fn arrived(&self) -> u64 {
        let left = self.ledger().of::<PoolBook>().queue.gone.get()
            + self.ledger().of::<PoolBook>().publishers.seconds.count();
        let status = self.pool.status();
        left + (status.running + status.queued) as u64
    }

    /// Ends the site, and checks that everything is returned and every socket is closed.
    ///
    /// # Panics
    /// When it is not.
    pub async fn end(self) {
        let ledger = self.ledger().clone();
        assert_quiet(&ledger).await;
        self.shutdown.drain();
        let drained = self.serving.await.expect("the server does not panic");
        assert!(drained.is_complete(), "{drained:?}");
        assert_eq!(ledger.of::<ServerBook>().sockets.open.get(), 0);
    }
}

/// The example of the front page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
