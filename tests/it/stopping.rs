//! Endless queries of a real database, and clients that leave.

use std::time::Duration;

use euryale::connection::PoolBook;
use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
use euryale_server::{Server, Shutdown};
use euryale_sqlite::Sqlite;
use euryale_test::{RawClient, assert_quiet, eventually};
use http::Method;
use tokio::net::TcpListener;

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
    SELECT count(*) FROM n";

/// `/endless` never ends by itself; a POST also writes.
fn publisher(
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    if request.method() == Method::POST {
        connection.execute("INSERT INTO word VALUES ('posted')", [])?;
    }
    if request.uri().path() == "/endless" {
        connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))?;
    }
    let words: i64 = connection.query_row("SELECT count(*) FROM word", [], |row| row.get(0))?;
    Ok(Response::new(Body::from(words.to_string())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_queries_end_with_their_clients_or_their_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(folder.path().join("site.db")).unwrap();
    sqlite.migrate(&["CREATE TABLE word (word TEXT)"]).unwrap();
    let pool = Pool::new(sqlite, 1);
    let ledger = pool.ledger().clone();
    let stack = Stack::new(pool.clone())
        .deadline(Duration::from_secs(60))
        .deadline_for(|request| {
            (request.uri().query() == Some("soon")).then_some(Duration::from_millis(50))
        })
        .publish(publisher);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let server = Server::new().listen(listener).ledger(ledger.clone());
    let serving = tokio::spawn(server.serve(stack, shutdown.clone()));
    let stopped = &ledger.transactions.stopped;

    // A reader ends with its client.
    let mut leaving = RawClient::connect(address).await.unwrap();
    leaving
        .send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    eventually("it runs", || {
        ledger.of::<PoolBook>().publishers.running.get() == 1
    })
    .await;
    drop(leaving);
    eventually("it was stopped", || stopped.client_gone.get() == 1).await;

    // A writer ends at its deadline, whether its client is there or not.
    let mut waiting = RawClient::connect(address).await.unwrap();
    waiting
        .send("POST /endless?soon HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(waiting.read_answer(false).await.unwrap().status, 504);
    let mut leaving = RawClient::connect(address).await.unwrap();
    leaving
        .send("POST /endless?soon HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    eventually("it runs", || {
        ledger.of::<PoolBook>().queue.wait_seconds.count() == 3
    })
    .await;
    drop(leaving);
    eventually("it was stopped", || stopped.deadline.get() == 2).await;
    assert_eq!(stopped.client_gone.get(), 1);

    // On the same connection; nothing was written.
    let mut client = RawClient::connect(address).await.unwrap();
    let answer = client.get("/").await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.text()), (200, "0"));
    assert_eq!(ledger.of::<PoolBook>().connections.opened.get(), 1);
    drop((client, waiting));
    assert_quiet(&ledger).await;
    shutdown.drain();
    assert!(serving.await.unwrap().is_complete());
    pool.close(Duration::from_secs(5)).await.unwrap();
}
