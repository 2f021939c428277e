//! Different ways to hand a request to a worker. All are served by `axum::serve` on the same
//! runtime and answer the same bytes, so that only the way differs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use crossbeam_channel::unbounded;
use euryale::Pool;
use http::StatusCode;
use tokio::sync::{Semaphore, oneshot};

use crate::scene::{PAGE, View};

/// The duration of the outside work.
pub(super) const WORK: Duration = Duration::from_secs(1);

/// The work of a worker for a request.
pub(super) type Work = fn() -> String;

pub(super) fn work(view: View) -> Work {
    if view == View::Slow { slow } else { page }
}

pub(super) fn page() -> String {
    PAGE.to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the outside work that keeps a worker"
)]
pub(super) fn slow() -> String {
    std::thread::sleep(WORK);
    PAGE.to_owned()
}

/// A server that answers every path by `handler`. An error is never a 2xx, so it fails the run.
pub(super) fn serve<F, R>(handler: F) -> Router
where
    F: FnOnce() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<String, StatusCode>> + Send,
{
    Router::new().fallback(handler)
}

pub(super) fn bare() -> Router {
    serve(|| async { Ok(page()) })
}

#[expect(clippy::disallowed_methods, reason = "the peer that is measured")]
pub(super) fn semaphore(cap: usize, work: Work) -> Router {
    let permits = Arc::new(Semaphore::new(cap));
    serve(move || {
        let permits = Arc::clone(&permits);
        async move {
            let permit = permits.acquire_owned().await.map_err(unavailable)?;
            let work = tokio::task::spawn_blocking(move || {
                let answer = work();
                drop(permit);
                answer
            });
            work.await.map_err(unavailable)
        }
    })
}

pub(super) fn threads(cap: usize, work: Work) -> Router {
    let (sender, receiver) = unbounded::<oneshot::Sender<String>>();
    for _ in 0..cap {
        let receiver = receiver.clone();
        std::thread::spawn(move || {
            for answer in receiver {
                // An error means that the client has disconnected and no longer needs the answer.
                let _ = answer.send(work());
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

pub(super) fn pool_run(cap: usize) -> Router {
    on_pool(Pool::new((), cap))
}

pub(super) fn pool_run_untimed(cap: usize) -> Router {
    on_pool(
        Pool::builder(())
            .connections(cap)
            .max_wait(None::<Duration>)
            .build(),
    )
}

fn on_pool(pool: Pool<()>) -> Router {
    serve(move || {
        let work = pool.run(|_connection| page());
        async move { work.await.map_err(unavailable) }
    })
}

pub(super) fn unavailable<E>(_error: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}
