//! The pages for operators and their monitoring.

#[cfg(unix)]
mod commanded;

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_core::pool::PoolControl;
use euryale_core::{Body, Ledger};
use euryale_server::{Readiness, Shutdown, Slowest};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

#[cfg(unix)]
use crate::commands::Commands;
#[cfg(unix)]
use crate::console::{pool, trace};
use crate::response::{PLAIN, methods, page, to_status};
use crate::status::{Status, StatusDetails};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Prometheus text format, as [`Ledger::exposition`] writes it.
pub(crate) const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers `/livez`, `/readyz`, `/metrics` and `/status`, to which `/` redirects; 404 for other
/// paths, 405 for methods other than GET, HEAD and OPTIONS.
///
/// * `/livez`: 200 as long as a runtime thread can answer. It checks nothing else, so it is meant
///   for a supervisor that restarts the process, and not for a balancer.
/// * `/readyz`: 200 or 503, depending on [`Readiness`].
/// * `/metrics`: [`Ledger::exposition`].
/// * `/status`: a page for people, which shows the ledger live, through server-sent events that end
///   when the drain begins; without scripts it is a snapshot. `/status.json`, or `Accept:
///   application/json`, returns the same numbers for programs. The program can [add](Self::status)
///   data that is not in the ledger.
///
/// No answer needs a worker, a connection or the blocking pool. The pages show the inside of the
/// program to everybody who can connect, so bind their listener to loopback or a private network.
/// Pass the service to [`Server::admin`](euryale_server::Server::admin), or mount it in a router
/// with your own pages (`Router::fallback_service`) and serve that router with a second `Server`.
#[derive(Clone)]
pub struct Admin {
    reports: Vec<(&'static str, Arc<Report>)>,
    status: Status,
    #[cfg(unix)]
    pub(crate) commands: Commands,
    #[cfg(unix)]
    find_pool: Arc<pool::FindPool>,
    #[cfg(unix)]
    dumps: Vec<Arc<Report>>,
}

type Report = dyn Fn() -> String + Send + Sync;

impl Admin {
    /// Creates pages for `pool`: they show its ledger, and the status page lists the jobs that hold
    /// its workers. The program counts as ready until the pool is closed; if it drains, set its
    /// [`readiness`](Self::readiness).
    ///
    /// ```
    /// use euryale_admin::{Admin, StatusDetails};
    /// use euryale_connection::Pool;
    /// use euryale_server::{Readiness, Shutdown};
    ///
    /// let pool = Pool::new((), 4);
    /// let shutdown = Shutdown::new();
    /// let admin = Admin::new(&pool)
    ///     .readiness(Readiness::new(&shutdown))
    ///     .status(|| StatusDetails::new().fact("Theme", "Version", "3f2a"));
    /// # drop(admin);
    /// ```
    #[must_use]
    pub fn new(pool: &(impl PoolControl + Clone + 'static)) -> Self {
        let asked = pool.clone();
        let readiness = Readiness::new(&Shutdown::new()).probe(move || !asked.status().is_closed);
        let mut admin = Self::for_ledger(pool.ledger().clone(), readiness);
        let pool: Arc<dyn PoolControl> = Arc::new(pool.clone());
        admin.status.pool = Some(Arc::clone(&pool));
        #[cfg(unix)]
        let admin = admin.find_pool(move || Some(Arc::clone(&pool)));
        admin
    }

    /// Creates pages without a pool, for programs that open their pool later or have several. Add
    /// the state of these pools by [`status`](Self::status).
    #[must_use]
    pub fn for_ledger(ledger: Ledger, readiness: Readiness) -> Self {
        Self {
            reports: Vec::new(),
            status: Status::new(ledger, readiness, StatusDetails::new),
            #[cfg(unix)]
            commands: Commands::new(),
            #[cfg(unix)]
            find_pool: Arc::new(|| None),
            #[cfg(unix)]
            dumps: Vec::new(),
        }
    }

    /// Sets the [`Readiness`] that `/readyz` reports.
    #[must_use]
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.status.readiness = readiness;
        self
    }

    /// Adds the result of `details` to the status page, for data about the program's own parts.
    /// `details` is called on a runtime thread, once a second for each viewer, and must not block.
    /// A second call of this method replaces the function.
    ///
    /// ```
    /// use std::sync::OnceLock;
    ///
    /// use euryale_admin::{Admin, StatusDetails};
    /// use euryale_connection::Pool;
    /// use euryale_core::Ledger;
    /// use euryale_server::{Readiness, Shutdown};
    ///
    /// // A pool that is opened while the operators' pages are there already.
    /// static POOL: OnceLock<Pool<()>> = OnceLock::new();
    /// let readiness = Readiness::new(&Shutdown::new()).probe(|| POOL.get().is_some());
    /// let admin = Admin::for_ledger(Ledger::new(), readiness).status(|| match POOL.get() {
    ///     Some(pool) => StatusDetails::new().pool(pool),
    ///     None => StatusDetails::new().fact("Database", "State", "opening"),
    /// });
    /// # drop(admin);
    /// ```
    #[must_use]
    pub fn status(mut self, details: impl Fn() -> StatusDetails + Send + Sync + 'static) -> Self {
        self.status.details = Arc::new(details);
        self
    }

    /// Sets the name of the program on the status page, beside the name of the host. It may include
    /// the version, for example.
    #[must_use]
    pub fn program(mut self, name: impl Into<Arc<str>>) -> Self {
        self.status.program = Some(name.into());
        self
    }

    /// Adds the slowest requests to the status page, and the command `trace TIME [ROUTE]` to the
    /// console, which logs requests as they end. Give the same list to the
    /// [`Server`](euryale_server::Server), which fills it.
    #[must_use]
    pub fn slowest(mut self, slowest: &Slowest) -> Self {
        self.status.slowest = Some(slowest.clone());
        #[cfg(unix)]
        {
            self.commands = self.commands.with(trace::commands(slowest));
        }
        self
    }

    /// Adds a page at `path` with the JSON that `report` returns. `report` is called for each
    /// request on a runtime thread, and must not block.
    #[must_use]
    pub fn report(
        mut self,
        path: &'static str,
        report: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        self.reports.push((path, Arc::new(report)));
        self
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let method = request.method();
        let path = request.uri().path();
        let report = self.reports.iter().find(|(known, _)| *known == path);
        let is_known =
            matches!(path, "/" | "/livez" | "/readyz" | "/metrics") || Status::knows(path);
        if (report.is_some() || is_known) && !matches!(*method, Method::GET | Method::HEAD) {
            return methods(method);
        }
        if let Some((_, report)) = report {
            return page(StatusCode::OK, JSON, report());
        }
        match path {
            "/" => to_status(),
            "/livez" => page(StatusCode::OK, PLAIN, "live\n"),
            "/readyz" if self.status.readiness.is_ready() => page(StatusCode::OK, PLAIN, "ready\n"),
            "/readyz" => page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready\n"),
            "/metrics" => page(StatusCode::OK, EXPOSITION, self.status.ledger.exposition()),
            _ if Status::knows(path) => {
                self.status
                    .answer(path, request.headers(), method == Method::GET)
            }
            _ => page(StatusCode::NOT_FOUND, PLAIN, "not found\n"),
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("readiness", &self.status.readiness)
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}
