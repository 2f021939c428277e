//! What a pass costs beyond what its publications cost anyway: `cargo bench -p euryale-promise`.
//!
//! `two plain publications` and `two passes` run the same publisher twice, on the same pool; the
//! difference is the price of asking, suspending, running a promise that is there at once, and
//! publishing again.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a measurement, and not a library"
)]

use std::convert::Infallible;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::{Abort, Request, Response, Transaction};
use euryale_promise::{PromisesExt, RepublishLayer};
use euryale_publisher::{ConflictPolicy, Publish};
use euryale_test::CountingDatabase;
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt};

/// Touches the request only: the test database remembers every call, and memory is no part of this.
fn page(request: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    if request.method() == http::Method::POST {
        request
            .promises()
            .ask("one", || async { Ok::<_, Infallible>(1) })
            .ready()??;
    }
    Ok(Response::default())
}

fn passes(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let pool = Pool::new(CountingDatabase::new(), 1);
    let inner = ServiceBuilder::new()
        .layer(RetryLayer::new(ConflictPolicy::new()))
        .layer(ConnectionLimitLayer::new(pool))
        .service(Publish::new(page));
    let republish = ServiceBuilder::new()
        .layer(RepublishLayer::new())
        .service(inner.clone());
    let plain = || Request::new(Default::default());
    let asking = || {
        let mut request = Request::new(Default::default());
        *request.method_mut() = http::Method::POST;
        request
    };

    let mut group = criterion.benchmark_group("promise");
    group.bench_function("one plain publication", |bencher| {
        bencher.iter(|| runtime.block_on(inner.clone().oneshot(plain())).unwrap());
    });
    group.bench_function("one publication under Republish", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(republish.clone().oneshot(plain()))
                .unwrap()
        });
    });
    group.bench_function("two plain publications", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                inner.clone().oneshot(plain()).await.unwrap();
                inner.clone().oneshot(plain()).await.unwrap()
            })
        });
    });
    group.bench_function("two passes", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(republish.clone().oneshot(asking()))
                .unwrap()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .measurement_time(Duration::from_secs(4))
        .warm_up_time(Duration::from_secs(1));
    targets = passes
}
criterion_main!(benches);
