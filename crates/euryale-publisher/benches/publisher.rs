//! `Publish` in this thread, on a claim that needs no pool.

use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use euryale_core::{
    Body, Claim, Error, Lease, Publication, Request, Response, SpooledBody, publisher_fn,
};
use euryale_publisher::Publish;
use euryale_test::{Lender, NullDatabase};
use tower::Service;

/// A claim that runs its job at once, in this thread.
struct Here(Lender<NullDatabase>);

impl Claim for Here {
    type Database = NullDatabase;

    fn run<T, F>(mut self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Lease<'_, NullDatabase>) -> T + Send + 'static,
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
    let mut publish = Publish::new(publisher_fn::<NullDatabase, _>(|_request, transaction| {
        transaction.connection()?;
        Ok(Response::new(Body::from("hello")))
    }));
    criterion.bench_function("publish", |bencher| {
        let publication = || Publication {
            request: Request::new(SpooledBody::empty()),
            claim: Here(Lender::new(NullDatabase)),
        };
        bencher.iter_batched(
            publication,
            |it| black_box(now(publish.call(it))),
            BatchSize::SmallInput,
        );
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    publications(&mut criterion);
    criterion.final_summary();
}
