//! `Respond` on a response that it lets pass.

use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{BatchSize, Criterion};
use euryale_core::body::SpooledBody;
use euryale_core::{Body, Error, Request, Response};
use euryale_respond::RespondLayer;
use euryale_test::bench_main;
use tower::{Service, service_fn};
use tower_layer::Layer;

/// A future that waits for nothing.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn responses(criterion: &mut Criterion) {
    let inner =
        service_fn(|_request: Request| ready(Ok::<_, Error>(Response::new(Body::from("hello")))));
    let mut respond = RespondLayer::new().layer(inner);
    criterion.bench_function("respond, pass through", |bencher| {
        let request = || Request::new(SpooledBody::empty());
        bencher.iter_batched(
            request,
            |it| black_box(now(respond.call(it))),
            BatchSize::SmallInput,
        );
    });
}

bench_main!(responses);
