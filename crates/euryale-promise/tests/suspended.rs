//! Requests set aside cost memory, and nothing else. In a program of its own: what is measured is
//! the process's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::convert::Infallible;
use std::future::pending;

use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::{Request, Response, Transaction};
use euryale_promise::{PromiseBook, PromisesExt, RepublishLayer};
use euryale_publisher::Publish;
use euryale_test::{CountingDatabase, assert_quiet, eventually};
use tower::{ServiceBuilder, ServiceExt};

const REQUESTS: usize = 10_000;
/// Fewer than the queue holds.
const BATCH: usize = 500;

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test]
async fn ten_thousand_requests_set_aside_cost_memory_only() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let ledger = pool.ledger().clone();
    let stack = ServiceBuilder::new()
        .layer(RepublishLayer::new().ledger(ledger.clone()))
        .layer(ConnectionLimitLayer::new(pool.clone()))
        .service(Publish::new(
            |request: &Request, _: &mut Transaction<'_, CountingDatabase>| {
                let _ = request
                    .promises()
                    .ask("never", pending::<Result<(), Infallible>>)
                    .ready()?;
                Ok(Response::default())
            },
        ));
    let mut requests = Vec::with_capacity(REQUESTS + BATCH);
    let mut before = None;
    for batch in 0..=REQUESTS / BATCH {
        requests
            .extend((0..BATCH).map(|_| tokio::spawn(stack.clone().oneshot(Request::default()))));
        let all = ((batch + 1) * BATCH) as i64;
        eventually("all are set aside", || {
            ledger.of::<PromiseBook>().suspended.get() == all
        })
        .await;
        // What the first batch brings with it is not the price of a request.
        before.get_or_insert_with(|| (resident(), threads()));
    }
    let (bytes_before, threads_before) = before.unwrap();
    let each = (resident() - bytes_before) / REQUESTS;
    println!("{each} bytes for each request set aside, with its task and its promise's");
    assert!(each < 6 << 10, "{each} bytes each");
    // The worker has ended, or is about to.
    assert!(threads() <= threads_before + 1, "{} threads", threads());
    eventually("no worker is held", || {
        (pool.status().running, pool.status().queued) == (0, 0)
    })
    .await;
    requests.iter().for_each(tokio::task::JoinHandle::abort);
    // Those that wait for a place to run in are not counted as running.
    let all = (REQUESTS + BATCH) as u64;
    eventually("all are cancelled", || {
        ledger.of::<PromiseBook>().cancelled.get() == all
    })
    .await;
    assert_quiet(&ledger).await;
}
