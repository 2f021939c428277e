//! More blocking answers than threads and places: each one is committed and answered, or refused
//! before its commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale::deferred::DeferredLayer;
use euryale::{Body, Deferred, Pool, Request, Response};
use euryale_test::{CountingDatabase, Gate, RawClient, eventually};
use euryale_tests::Site;
use http::StatusCode;

use super::{Tx, ok};

const CLIENTS: usize = 700;

/// Sends `CLIENTS` requests at once, whose answers need a gate. Returns how many were answered with
/// 200, and how many with 503, after the gate has opened.
async fn ask_all(threads: usize, waiting: usize) -> (usize, usize) {
    let pool = Pool::new(CountingDatabase::new(), 2);
    let layer = DeferredLayer::new().blocking(threads).max_waiting(waiting);
    let gate = Gate::new();
    let at = gate.clone();
    let publisher = move |_: &Request, transaction: Tx<'_, '_>| {
        transaction.connection()?;
        let at = at.clone();
        let answer = Deferred::blocking(move || {
            at.wait();
            ok()
        });
        Ok(Response::new(Body::from(answer)))
    };
    let site = Site::with(pool, |stack| stack.deferred(layer), publisher).await;
    let address = site.address;
    let refused = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let refused = refused.clone();
            tokio::spawn(async move {
                let mut client = RawClient::connect(address).await.unwrap();
                let status = client.post("/", b"").await.unwrap().status;
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    refused.fetch_add(1, Ordering::SeqCst);
                }
                status
            })
        })
        .collect();
    let ledger = site.ledger();
    let committed = || usize::try_from(ledger.transactions.committed.get()).unwrap();
    eventually("every request is committed or refused", || {
        committed() + refused.load(Ordering::SeqCst) == CLIENTS
    })
    .await;
    let committed = committed();
    gate.open();
    let mut answered = 0;
    for client in clients {
        match client.await.unwrap() {
            StatusCode::OK => answered += 1,
            StatusCode::SERVICE_UNAVAILABLE => {}
            other => panic!("answered {other}"),
        }
    }
    assert_eq!(answered, committed, "a committed request was refused");
    site.end().await;
    (answered, refused.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_hundred_blocking_answers_are_all_committed_and_answered() {
    assert_eq!(ask_all(128, 1024).await, (CLIENTS, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_beyond_the_bounded_wait_are_refused_before_their_commit() {
    assert_eq!(ask_all(8, 100).await, (108, CLIENTS - 108));
}
