//! How this process stands, for balancers.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use euryale::{Ledger, Pool, Route};
use euryale_agent_check::{AgentCheck, Load, Resume, Standing};
use euryale_server::{Readiness, Shutdown};
use euryale_sqlite::Sqlite;

/// A publication that has run for so long is stuck: none of this site's takes a tenth of it.
const STUCK: Duration = Duration::from_secs(60);

/// How this process stands.
#[derive(Clone)]
pub(crate) struct Stands {
    pool: Pool<Sqlite>,
    readiness: Readiness,
    shutdown: Shutdown,
    resume: Resume,
}

impl Stands {
    pub(crate) fn new(pool: Pool<Sqlite>, readiness: Readiness, shutdown: Shutdown, resume: Resume) -> Self {
        Self { pool, readiness, shutdown, resume }
    }

    fn standing(&self) -> Standing {
        if self.shutdown.is_draining() {
            Standing::Draining
        } else if self.readiness.is_ready() {
            Standing::Ready
        } else {
            Standing::Down
        }
    }

    fn load(&self) -> Load {
        let status = self.pool.status();
        Load {
            standing: self.standing(),
            workers: status.cap,
            busy: status.running,
            stuck: status.holders.iter().filter(|holder| holder.age >= STUCK).count(),
            queued: status.queued,
            oldest_wait: status.oldest_wait.unwrap_or_default(),
        }
    }

    /// For HAProxy.
    pub(crate) fn agent(&self) -> AgentCheck {
        let (stands, ledger) = (self.clone(), self.pool.ledger().clone());
        AgentCheck::new(move || stands.load()).connections(move || without_worker(&ledger))
    }

    /// The same and more, for other balancers.
    pub(crate) fn report(&self) -> String {
        self.resume.json(self.standing(), self.agent().answer())
    }
}

/// Requests that wait for something else than a worker: for a client that reads or writes, for a promise.
fn without_worker(ledger: &Ledger) -> usize {
    let gauges = [
        ledger.blobs.open.get(),
        ledger.deferred.running.get(),
        ledger.deferred.writers.get(),
        ledger.promises.suspended.get(),
        ledger.spool.files.get(),
    ];
    gauges.into_iter().map(|gauge| usize::try_from(gauge).unwrap_or(0)).sum()
}

/// Records how long the head of each answer took, by route.
pub(crate) async fn record(State(resume): State<Resume>, request: Request, next: Next) -> Response {
    let (route, began) = (request.extensions().get::<Route>().cloned(), Instant::now());
    let response = next.run(request).await;
    if let Some(route) = route {
        resume.record(route.name(), began.elapsed());
    }
    response
}
