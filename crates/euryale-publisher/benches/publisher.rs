//! `Publish` in this thread, on a claim that needs no pool.

use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{BatchSize, Criterion};
use euryale_core::body::SpooledBody;
use euryale_core::transaction::{Claim, Lease, Publication};
use euryale_core::{Body, Error, Request, Response, publisher_fn};
use euryale_publisher::Publish;
use euryale_test::{Lender, bench_main};
use tower::Service;

/// A claim that runs its job at once, in this thread.
struct Here(Lender<()>);

impl Claim for Here {
    type Database = ();

    fn run<T, F>(mut self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Lease<'_, ()>) -> T + Send + 'static,
        T: Send + 'static,
    {
        let done: Ready<Result<T, Error>> = ready(Ok(job(&mut self.0.lease())));
        done
    }
}

/// A future that waits for nothing.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn publications(criterion: &mut Criterion) {
    let mut publish = Publish::new(publisher_fn::<(), _>(|_request, transaction| {
        transaction.connection()?;
        Ok(Response::new(Body::from("hello")))
    }));
    criterion.bench_function("publish", |bencher| {
        let publication = || Publication {
            request: Request::new(SpooledBody::empty()),
            claim: Here(Lender::new(())),
        };
        bencher.iter_batched(
            publication,
            |it| black_box(now(publish.call(it))),
            BatchSize::SmallInput,
        );
    });
}

bench_main!(publications);
