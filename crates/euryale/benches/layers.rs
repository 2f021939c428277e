//! How long a request takes through each layer alone, where the layer has nothing to do for it, and
//! through the whole stack with its worker; and what a page takes that is rewritten.

mod onion;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tower::ServiceExt;

fn layers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("a request through");
    let alone = [("bare", onion::bare as onion::Make)];
    for (name, layer) in alone.into_iter().chain(onion::LAYERS) {
        let service = layer();
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(service.clone().oneshot(black_box(onion::request()))));
        });
    }
    let pool = onion::pool();
    group.bench_function("pool", |bencher| {
        bencher.iter(|| runtime.block_on(async { pool.run(|_connection| black_box(7)).await }));
    });
    for (name, stack) in onion::STACKS {
        let stack = stack();
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(stack.clone().oneshot(black_box(onion::request()))));
        });
    }
    let claimed = onion::claimed(onion::pool());
    let whole = onion::whole(onion::pool());
    group.bench_function("claim and publisher", |bencher| {
        bencher
            .iter(|| drop(runtime.block_on(claimed.clone().oneshot(black_box(onion::request())))));
    });
    group.bench_function("the whole onion", |bencher| {
        bencher.iter(|| drop(runtime.block_on(whole.clone().oneshot(black_box(onion::request())))));
    });
    let rewritten = onion::rewritten();
    group.bench_function("a rewrite of 16 KiB", |bencher| {
        bencher.iter(|| runtime.block_on(rewritten.clone().oneshot(black_box(onion::request()))));
    });
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
