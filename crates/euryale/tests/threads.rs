//! One line in the log says that a runtime has too few blocking threads. In a program of its own:
//! the subscriber is the process's.

use euryale::connection::BlockingThreads;
use euryale::transform::TransformChainLayer;
use euryale::{Body, Ledger, Pool, Response, Stack, StackLayers, StackService};
use euryale_test::{CountingDatabase, Log};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Files 32, request bodies 4, promises 8, deferred responses 128, written bodies 64.
const LAYERS: usize = 236;

/// tokio's 512, without 16 to spare.
const ANYWHERE: usize = 496;

fn pool(connections: usize, ledger: &Ledger) -> Pool<CountingDatabase> {
    Pool::builder(CountingDatabase::new())
        .connections(connections)
        .ledger(ledger.clone())
        .build()
}

fn stack(pool: Pool<CountingDatabase>) -> StackService {
    let publisher = |_: &_, transaction: &mut euryale::Transaction<'_, _>| {
        transaction.connection()?;
        Ok(Response::new(Body::empty()))
    };
    Stack::new(pool).publish(publisher)
}

fn publish(runtime: &Runtime, site: &StackService) {
    let request = http::Request::new(String::new());
    let response = runtime.block_on(site.clone().oneshot(request)).unwrap();
    assert_eq!(response.status(), 200);
}

/// One test: they share the log.
#[test]
fn too_few_threads_are_reported_once_with_their_number_and_the_remedy() {
    let log = Log::of_process();
    let mut read = 0;
    let mut errors = || -> Vec<String> {
        let lines = log.lines();
        let new = lines[read..].to_vec();
        read = lines.len();
        new.into_iter()
            .filter(|line| line.starts_with("ERROR"))
            .collect()
    };

    // Inside a runtime, a stack says so when it is built.
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let entered = runtime.enter();
    let enough = stack(pool(ANYWHERE - LAYERS, &Ledger::new()));
    publish(&runtime, &enough);
    assert!(errors().is_empty());
    let too_many = stack(pool(ANYWHERE - LAYERS + 1, &Ledger::new()));
    let said = errors().join("\n");
    assert!(said.contains("may want 497 blocking threads"), "{said}");
    assert!(said.contains("its runtime has 496"), "{said}");
    assert!(said.contains("euryale::runtime(&ledger)"), "{said}");
    assert!(said.contains("max_blocking_threads(513)"), "{said}");
    let parts = "blobs 32, deferred 128, promises 8, publishers 261, spool 4, writers 64";
    assert!(said.contains(parts), "{said}");
    assert!(!said.contains('\n'), "one line: {said}");
    publish(&runtime, &too_many);
    assert!(errors().is_empty(), "said twice");

    // The threads that transform pages count as well.
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new().threads(1);
    let pool_of_all = pool(ANYWHERE - LAYERS, &ledger);
    let site = Stack::new(pool_of_all).transforms(chain);
    drop(site.publish(|_, _| Ok(Response::new(Body::empty()))));
    assert_eq!(errors().len(), 1);
    drop(entered);

    // Outside a runtime nothing is known yet. The first worker finds out.
    let ledger = Ledger::new();
    let site = stack(pool(1000, &ledger));
    assert!(errors().is_empty());
    publish(&runtime, &site);
    assert_eq!(errors().len(), 1);

    // A runtime for this ledger has enough, and so has one of which the program says so.
    for build in [euryale::runtime, provided] {
        let ledger = Ledger::new();
        let pool = pool(1000, &ledger);
        let site = stack(pool.clone());
        let runtime = build(&ledger).unwrap();
        publish(&runtime, &site);
        assert!(errors().is_empty());
        // The runtime has no threads for connections that are added later.
        pool.resize(1001);
        publish(&runtime, &site);
        let said = errors().join("\n");
        assert!(said.contains("may want 1237 blocking threads"), "{said}");
        assert!(said.contains("declare the maximum"), "{said}");
    }

    // Unless its maximum was declared.
    let ledger = Ledger::new();
    let layers = StackLayers::new(&ledger);
    let threads = BlockingThreads::new(64, &ledger);
    let runtime = euryale::runtime(&ledger).unwrap();
    let pool = Pool::builder(CountingDatabase::new())
        .threads(threads)
        .ledger(ledger.clone())
        .build();
    let site = Stack::with_layers(pool.clone(), layers).publish(|_, transaction| {
        transaction.connection()?;
        Ok(Response::new(Body::empty()))
    });
    pool.resize(64);
    publish(&runtime, &site);
    assert!(errors().is_empty());
    drop(enough);
}

/// A runtime that a program builds itself.
fn provided(ledger: &Ledger) -> std::io::Result<Runtime> {
    let threads = ledger.threads.sum();
    ledger.threads.provide(threads);
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(threads + 16)
        .build()
}
