//! The price of the model: five characters, built in a worker.
//!
//! All cases are served by `axum::serve` on the same runtime and answer the same bytes, so that only the way
//! into the worker and back differs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use crossbeam_channel::unbounded;
use euryale::{Body, Pool, Response, Stack};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::{Semaphore, oneshot};

use super::{Bar, Case, Workload};
use crate::null::Null;

const ANSWER: &str = "hello";

pub(crate) const PAGE: Workload = Workload {
    name: "page",
    about: "Five characters, built in a worker: what the way into the worker and back costs.",
    answer: ANSWER,
    cases: &[
        Case { name: "bare", about: "axum handler, no worker", by_default: true, router: bare },
        Case {
            name: "semaphore",
            about: "a semaphore's permit, moved into `spawn_blocking`",
            by_default: true,
            router: semaphore,
        },
        Case {
            name: "threads",
            about: "dedicated threads on a crossbeam channel, oneshot back",
            by_default: true,
            router: threads,
        },
        Case { name: "pool-run", about: "axum handler on `Pool::run`", by_default: true, router: pool_run },
        Case {
            name: "stack",
            about: "`Stack`; the publisher uses its connection: begin and commit",
            by_default: true,
            router: stack,
        },
        Case {
            name: "stack-lazy",
            about: "`Stack`; the publisher never asks for its connection",
            by_default: true,
            router: stack_lazy,
        },
        Case {
            name: "pool-run-untimed",
            about: "as `pool-run`, with no bound on the wait: no timer for a queued job",
            by_default: false,
            router: pool_run_untimed,
        },
    ],
    bars: &[
        Bar { case: "pool-run", base: "semaphore", most: 0.70 },
        Bar { case: "pool-run", base: "threads", most: 1.4 },
        Bar { case: "stack", base: "semaphore", most: 1.0 },
    ],
};

/// The work.
fn page() -> String {
    ANSWER.to_owned()
}

/// A server that answers every path with what `handler` makes. An error is never a 2xx, so it fails the run.
fn serve<F, R>(handler: F) -> Router
where
    F: FnOnce() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<String, StatusCode>> + Send,
{
    Router::new().fallback(handler)
}

fn bare(_cap: usize) -> Router {
    serve(|| async { Ok(page()) })
}

#[expect(clippy::disallowed_methods, reason = "the peer that is measured")]
fn semaphore(cap: usize) -> Router {
    let permits = Arc::new(Semaphore::new(cap));
    serve(move || {
        let permits = Arc::clone(&permits);
        async move {
            let permit = permits.acquire_owned().await.map_err(unavailable)?;
            let work = tokio::task::spawn_blocking(move || {
                let answer = page();
                drop(permit);
                answer
            });
            work.await.map_err(unavailable)
        }
    })
}

fn threads(cap: usize) -> Router {
    let (sender, receiver) = unbounded::<oneshot::Sender<String>>();
    for _ in 0..cap {
        let receiver = receiver.clone();
        std::thread::spawn(move || {
            for answer in receiver {
                // A client that is gone does not want it any more.
                let _ = answer.send(page());
            }
        });
    }
    serve(move || {
        let (answer, answered) = oneshot::channel();
        let sent = sender.send(answer);
        async move {
            sent.map_err(unavailable)?;
            answered.await.map_err(unavailable)
        }
    })
}

fn pool_run(cap: usize) -> Router {
    on_pool(Pool::new(Null, cap))
}

fn pool_run_untimed(cap: usize) -> Router {
    on_pool(Pool::builder(Null).connections(cap).max_wait(None::<Duration>).build())
}

fn on_pool(pool: Pool<Null>) -> Router {
    serve(move || {
        let work = pool.run(|_connection| page());
        async move { work.await.map_err(unavailable) }
    })
}

fn stack(cap: usize) -> Router {
    let stack = Stack::new(Pool::new(Null, cap));
    Router::new().fallback_service(stack.publish_fn(|_request, transaction| {
        transaction.connection()?;
        Ok(plain(page()))
    }))
}

fn stack_lazy(cap: usize) -> Router {
    let stack = Stack::new(Pool::new(Null, cap));
    Router::new().fallback_service(stack.publish_fn(|_request, _transaction| Ok(plain(page()))))
}

/// With the header that axum gives a `String`: the cases' answers are of one length.
fn plain(page: String) -> Response {
    let mut response = Response::new(Body::from(page));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn unavailable<E>(_error: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}
