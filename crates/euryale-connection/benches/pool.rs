//! The way into a worker and back.

use std::hint::black_box;

use criterion::Criterion;
use euryale_connection::Pool;

use euryale_test::bench_main;
use tokio::runtime::Builder;

fn hops(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("pool");
    let pool = {
        let _entered = runtime.enter();
        Pool::new((), 2)
    };
    group.bench_function("run", |bencher| {
        bencher.iter(|| runtime.block_on(async { black_box(pool.run(|_connection| 7).await) }));
    });
    group.bench_function("64 at a time", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let jobs: Vec<_> = (0..64)
                    .map(|number| pool.run(move |_connection| number))
                    .collect();
                for job in jobs {
                    let _ = black_box(job.await);
                }
            });
        });
    });
    group.finish();
}

bench_main!(hops);
