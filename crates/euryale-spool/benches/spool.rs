//! Bodies that are taken in: none, one in memory, one that grows into a file.

use std::future::ready;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use euryale_core::{Error, Request};
use euryale_spool::SpoolLayer;
use euryale_test::bench_main;
use http_body_util::Full;
use tokio::runtime::Builder;
use tower::{Service, service_fn};
use tower_layer::Layer;

fn bodies(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("spool");
    for (name, length) in [
        ("empty", 0),
        ("1 KiB in memory", 1 << 10),
        ("1 MiB in a file", 1 << 20),
    ] {
        let inner = service_fn(|request: Request| ready(Ok::<_, Error>(request.body().len())));
        let mut spool = SpoolLayer::new().layer(inner);
        let bytes = Bytes::from(vec![b'a'; length]);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(name, |bencher| {
            let request = || http::Request::new(Full::new(bytes.clone()));
            let mut take_in =
                |request| runtime.block_on(async { black_box(spool.call(request).await) });
            bencher.iter_batched(request, &mut take_in, BatchSize::SmallInput);
        });
    }
    group.finish();
}

bench_main!(bodies);
