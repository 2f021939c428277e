use std::convert::Infallible;

use bytes::Bytes;
use euryale_blob::{OffloadLayer, ServeBlobLayer};
use euryale_connection::{Pool, PoolWorker};
use euryale_core::threads::BlockingLane;
use euryale_core::{Body, Ledger, Response};
use euryale_deferred::DeferredLayer;
use euryale_promise::{PromisesExt, RepublishLayer};
use euryale_spool::SpoolLayer;
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use euryale_transform::TransformChainLayer;
use tower::ServiceExt;

use crate::promise::PromiseBook;
use crate::spool::SpoolBook;
use crate::{Stack, StackLayers};

#[test]
fn the_runtime_has_threads_for_all_parts() {
    let ledger = Ledger::new();
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .ledger(ledger.clone())
        .build();
    let lane = BlockingLane::new("own", 3).ledger(ledger.clone());
    let stack = Stack::new(pool)
        .blobs(ServeBlobLayer::new().readers(64))
        .spool(SpoolLayer::new().writers(2))
        .republish(RepublishLayer::new().threads(128))
        .deferred(DeferredLayer::new().blocking(5).writers(8))
        .offload(OffloadLayer::new().checks(6))
        .transforms(TransformChainLayer::new().threads(16));
    assert_eq!(ledger.threads.sum(), 4);
    let site = stack.publish(|_, _| Ok(Response::default()));
    let parts = [
        ("blobs", 64),
        ("deferred", 5),
        ("offload", 6),
        ("own", 3),
        ("promises", 128),
        ("publishers", 1),
        ("spool", 2),
        ("transforms", 16),
        ("writers", 8),
    ];
    assert_eq!(ledger.threads.all(), parts);
    drop(site);
    drop(lane);
    assert_eq!(ledger.threads.all(), []);
}

/// Like a site whose stack is rebuilt for new settings.
#[test]
fn stacks_of_the_same_layers_declare_their_threads_once() {
    let ledger = Ledger::new();
    let layers = StackLayers::new(&ledger);
    let sum = ledger.threads.sum();
    let pool = Pool::builder(CountingDatabase::new())
        .ledger(ledger.clone())
        .threads(drop::<PoolWorker>)
        .build();
    let build = || {
        let stack = Stack::with_layers(pool.clone(), layers.clone());
        stack.publish(|_, _| Ok(Response::default()))
    };
    let sites = [build(), build()];
    assert_eq!(ledger.threads.sum(), sum, "the pool has threads of its own");
    drop(sites);
}

/// Every lane is full, and the runtime has exactly as many threads as their bounds together, so no
/// work waits for a thread.
#[test]
fn the_declared_threads_are_exactly_enough() {
    const PUBLISHERS: usize = 3;
    const WRITERS: usize = 2;
    const PROMISES: usize = 2;
    let gate = Gate::new();
    let pool = Pool::new(CountingDatabase::new(), PUBLISHERS);
    let ledger = pool.ledger().clone();
    let stack = Stack::new(pool.clone())
        .spool(SpoolLayer::new().memory(1000).writers(WRITERS))
        .republish(RepublishLayer::new().threads(PROMISES))
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
    let unused = ["blobs", "deferred", "writers"];
    let threads = ledger.threads.all().into_iter();
    let used = threads.filter(|(part, _)| !unused.contains(part));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .max_blocking_threads(used.map(|(_, threads)| threads).sum())
        .build()
        .unwrap();
    runtime.block_on(async {
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
        // Each body is written in several turns of the lane.
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
