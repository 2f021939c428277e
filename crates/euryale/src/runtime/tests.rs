use std::convert::Infallible;

use bytes::Bytes;
use euryale_connection::Pool;
use euryale_core::{Body, Response};
use euryale_promise::{PromisesExt, RepublishLayer};
use euryale_spool::SpoolLayer;
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tower::ServiceExt;

use super::BlockingThreads;
use crate::Stack;
use crate::promise::PromiseBook;
use crate::spool::SpoolBook;

#[test]
fn the_sum_is_of_all_parts() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = BlockingThreads::new();
    assert_eq!(threads.sum(), 2 + 32 + 4 + 8 + 128 + 64 + cores);
    let threads = threads.publishers(1).files(64).spool(2).promises(128);
    assert_eq!(
        threads.deferred(4).writers(8).cpu(16).application(32).sum(),
        255
    );
}

/// Every lane full, and not one thread more than their bounds together: nothing waits for a thread.
#[test]
fn exactly_the_sum_is_enough() {
    const PUBLISHERS: usize = 3;
    const WRITERS: usize = 2;
    const PROMISES: usize = 2;
    let threads = BlockingThreads::new()
        .publishers(PUBLISHERS)
        .spool(WRITERS)
        .promises(PROMISES);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .max_blocking_threads(threads.files(0).deferred(0).writers(0).cpu(0).sum())
        .build()
        .unwrap();
    runtime.block_on(async {
        let gate = Gate::new();
        let pool = Pool::new(CountingDatabase::new(), PUBLISHERS);
        let ledger = pool.ledger().clone();
        let spool = SpoolLayer::new().memory(1000).writers(WRITERS);
        let republish = RepublishLayer::new().threads(PROMISES);
        let stack = Stack::new(pool.clone())
            .spool(spool)
            .republish(republish)
            .publish({
                let gate = gate.clone();
                move |request, transaction| {
                    if request.uri().path() == "/promise" {
                        let gate = gate.clone();
                        let wait = move || {
                            gate.wait();
                            Ok::<_, Infallible>(())
                        };
                        request.promises().ask_blocking("gate", wait).ready()??;
                        return Ok(Response::default());
                    }
                    transaction.connection()?;
                    gate.wait();
                    Ok(Response::new(Body::from(request.body().len().to_string())))
                }
            });
        let send = |bytes: usize| {
            let body = http_body_util::Full::new(Bytes::from(vec![b'x'; bytes]));
            tokio::spawn(
                stack
                    .clone()
                    .oneshot(http::Request::post("/").body(body).unwrap()),
            )
        };
        let suspend = || {
            let body = http_body_util::Full::new(Bytes::new());
            tokio::spawn(
                stack
                    .clone()
                    .oneshot(http::Request::get("/promise").body(body).unwrap()),
            )
        };
        let mut answers: Vec<_> = (0..3 * PROMISES).map(|_| suspend()).collect();
        eventually("all threads for promises wait at the gate", || {
            gate.waiting() == PROMISES
                && ledger.of::<PromiseBook>().suspended.get() == 3 * PROMISES as i64
        })
        .await;
        answers.extend((0..PUBLISHERS).map(|_| send(10)));
        eventually("all publishers wait at the gate", || {
            gate.waiting() == PROMISES + PUBLISHERS
        })
        .await;
        // Each is written by several turns of the lane.
        answers.extend((0..4 * WRITERS).map(|_| send(2_000_000)));
        eventually("all bodies are in files", || {
            pool.status().queued == 4 * WRITERS
        })
        .await;
        assert_eq!(ledger.of::<SpoolBook>().files.get(), 4 * WRITERS as i64);
        gate.open();
        for answer in answers {
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
        drop(stack);
        assert_quiet(&ledger).await;
    });
}
