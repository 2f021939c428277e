//! Pages from PostgreSQL, from the socket to the server and back.
//!
//! A program of its own: `cargo test` runs one after the other, so these loads do not disturb tests
//! that measure times.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

mod cap;
mod failover;
mod full;
mod load;
mod restart;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale::connection::PoolBook;
use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
use euryale_postgres::{Postgres, PostgresBook};
use euryale_server::{Server, Shutdown};
use euryale_test::engines::Postgres as Engine;
use euryale_test::{RawClient, assert_quiet};
use http::Method;
use tokio::net::TcpListener;

/// Held by each test that loads the machine or measures times, so that it runs alone.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts visits, also for a GET of `/careless`.
fn publisher(
    request: &Request,
    transaction: &mut Transaction<'_, Postgres>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    if request.method() == Method::POST || request.uri().path() == "/careless" {
        connection.execute("UPDATE visits SET n = n + 1", &[])?;
    }
    let visits = connection.query_one("SELECT n FROM visits", &[])?;
    let visits: i32 = visits.get(0);
    Ok(Response::new(Body::from(visits.to_string())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_published_from_postgresql() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let database = Postgres::open(&engine.url(&engine.create_database())).unwrap();
    let schema = "CREATE TABLE visits (n int NOT NULL); INSERT INTO visits VALUES (0)";
    database.migrate(&[schema]).unwrap();
    let ledger = euryale::Ledger::new();
    let pool = Pool::builder(database.ledger(&ledger))
        .connections(2)
        .ledger(ledger.clone())
        .build();
    let stack = Stack::new(pool.clone()).publish(publisher);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let server = Server::new().listen(listener).ledger(ledger.clone());
    let serving = tokio::spawn(server.serve(stack, shutdown.clone()));

    let mut browser = RawClient::connect(address).await.unwrap();
    assert_eq!(browser.get("/").await.unwrap().text(), "0");
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    browser.send(post).await.unwrap();
    assert_eq!(browser.read_answer(false).await.unwrap().text(), "1");
    // It is published twice: the first attempt begins as a reader.
    assert_eq!(browser.get("/careless").await.unwrap().text(), "2");
    assert_eq!(browser.get("/").await.unwrap().text(), "2");
    let opened = ledger.of::<PostgresBook>().opened.get();
    assert_eq!(opened, ledger.of::<PoolBook>().connections.opened.get());
    assert_eq!(ledger.of::<PostgresBook>().demoted.get(), 0);
    assert_eq!(ledger.transactions.committed.get(), 4);

    drop(browser);
    assert_quiet(&ledger).await;
    shutdown.drain();
    assert!(serving.await.unwrap().is_complete());
    pool.close(Duration::from_secs(5)).await.unwrap();
}
