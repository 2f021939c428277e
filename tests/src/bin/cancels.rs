//! Measures whether memory grows when clients come and go while every worker is stuck. Prints `grew
//! <bytes>`.
//!
//! A separate program, so that nothing else is counted.

use std::future::Future;
use std::task::{Context, Waker};

use euryale::{Body, Pool, Response, Stack};
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tower::Service;

/// The number of clients that wait at the same time.
const AT_A_TIME: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cancels: usize = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000);
    let pool = Pool::new(CountingDatabase::new(), 2);
    let gate = Gate::new();
    let held = gate.clone();
    let mut service = Stack::new(pool.clone()).publish(move |_, _| {
        held.wait();
        Ok(Response::new(Body::empty()))
    });
    let stuck: Vec<_> = (0..2)
        .map(|_| tokio::spawn(service.call(http::Request::new(String::new()))))
        .collect();
    eventually("both workers are stuck", || gate.waiting() == 2).await;

    let mut come_and_go = |count: usize| {
        for _ in 0..count / AT_A_TIME {
            let mut waiting: Vec<_> = (0..AT_A_TIME)
                .map(|_| {
                    let request =
                        http::Request::post("/page").body("a body of some length".to_owned());
                    service.call(request.expect("a request"))
                })
                .collect();
            let mut cx = Context::from_waker(Waker::noop());
            for future in &mut waiting {
                assert!(
                    std::pin::Pin::new(future).poll(&mut cx).is_pending(),
                    "the workers are stuck"
                );
            }
        }
    };
    // Allocates what is allocated only once.
    come_and_go(10_000);
    let before = resident();
    come_and_go(cancels);
    println!("grew {}", resident().saturating_sub(before));

    assert_eq!(pool.status().queued, 0);
    gate.open();
    for answer in stuck {
        answer.await.expect("no panic").expect("infallible");
    }
    assert_eq!(
        pool.ledger().transactions.attempts.get(),
        2,
        "who went away was never published"
    );
    assert_quiet(pool.ledger()).await;
}

/// Resident memory in bytes, as Linux says in `/proc/self/statm`.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok())
        .expect("a number")
        * 4096
}
