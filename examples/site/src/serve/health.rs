//! The state of this process, for balancers.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::Response;
use euryale::Pool;
use euryale::error::{APPLICATION, Code, UNAVAILABLE};
use euryale::request::Route;
use euryale::store::FolderStore;
use euryale_admin::StatusDetails;
use euryale_agent_check::{AgentCheck, Load, Resume, Standing};
use euryale_server::{Checked, Readiness, Shutdown};

use crate::pages::theme::Theme;
use crate::serve::log::Logs;
use crate::store::Engine;

/// A publication that has run for this long counts as stuck: none of this site takes a tenth of it.
const STUCK: Duration = Duration::from_secs(60);

/// The minimum interval between checks of the database and the files.
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The data that this process serves, once it is open.
#[derive(Clone, Default)]
pub(crate) struct Opened(Arc<OnceLock<(Pool<Engine>, FolderStore)>>);

impl Opened {
    pub(crate) fn pool(&self) -> Option<&Pool<Engine>> {
        self.0.get().map(|(pool, _)| pool)
    }

    /// Logs the jobs that hold workers and those that wait.
    pub(crate) fn report(&self) {
        match self.pool() {
            Some(pool) => pool.report(),
            None => tracing::info!(target: "site::signals", "no database is open: no workers"),
        }
    }

    /// Returns whether the data is open, and the last job that needed the database could reach it.
    pub(crate) fn is_reachable(&self) -> bool {
        self.pool().is_some_and(Pool::is_reachable)
    }

    /// Checks whether database and files are available now, in a worker, because a disk may be
    /// slow. Unknown if every worker is busy.
    pub(crate) async fn check(self) -> Checked {
        let Some((pool, blobs)) = self.0.get() else {
            return Checked::Unknown;
        };
        let blobs = blobs.clone();
        let looked = pool.read(move |transaction| {
            transaction.connection()?;
            Ok(blobs.check()?)
        });
        match looked.await {
            Ok(()) => Checked::Passed,
            Err(error) if is_of_database_or_files(error.code()) => Checked::Failed(error.into()),
            Err(_) => Checked::Unknown,
        }
    }
}

fn is_of_database_or_files(code: Code) -> bool {
    matches!(code, UNAVAILABLE | APPLICATION)
}

/// The state of this process.
#[derive(Clone)]
pub(crate) struct Health {
    opened: Opened,
    /// The current theme of pages.
    theme: Arc<RwLock<Option<Theme>>>,
    readiness: Readiness,
    shutdown: Shutdown,
    resume: Resume,
    logs: Logs,
    /// The sockets that a balancer may open.
    sockets: Arc<AtomicUsize>,
}

impl Health {
    pub(crate) fn new(
        opened: Opened,
        readiness: Readiness,
        shutdown: Shutdown,
        logs: Logs,
    ) -> Self {
        Self {
            opened,
            theme: Arc::default(),
            readiness,
            shutdown,
            resume: Resume::new(),
            logs,
            sockets: Arc::default(),
        }
    }

    /// Sets the data and the pool to check.
    pub(crate) fn open(&self, pool: &Pool<Engine>, blobs: &FolderStore) {
        self.opened.0.get_or_init(|| (pool.clone(), blobs.clone()));
    }

    /// Sets the theme of pages.
    pub(crate) fn shows(&self, theme: Theme) {
        *self.theme.write().unwrap_or_else(PoisonError::into_inner) = Some(theme);
    }

    /// Sets the number of sockets that a balancer may open.
    pub(crate) fn holds(&self, sockets: usize) {
        self.sockets.store(sockets, Ordering::Relaxed);
    }

    pub(crate) fn resume(&self) -> Resume {
        self.resume.clone()
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

    /// The load of this process.
    pub(crate) fn load(&self) -> Load {
        let standing = self.standing();
        let capacity = self.sockets.load(Ordering::Relaxed);
        let status = self.opened.pool().map(Pool::status).unwrap_or_default();
        Load {
            standing,
            capacity,
            ..Load::of(&status, STUCK)
        }
    }

    /// The agent for HAProxy. Create one and clone it, because it has state.
    pub(crate) fn agent(&self) -> AgentCheck {
        let health = self.clone();
        AgentCheck::asking(move || health.load())
    }

    /// The status page's details about the log, the pool and the theme.
    pub(crate) fn details(&self) -> StatusDetails {
        let details = match self.logs.lost() {
            0 => StatusDetails::new(),
            lost => {
                let lines =
                    format!("{lost} lines: they are not read fast enough, or cannot be written");
                StatusDetails::new().alarm("Log", "Lost", lines)
            }
        };
        let Some(pool) = self.opened.pool() else {
            return details;
        };
        let details = details.pool(pool);
        let theme = self
            .theme
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match theme {
            Some(theme) => theme.tell(details),
            None => details,
        }
    }

    /// The state of `agent` with more data, as JSON for other balancers.
    pub(crate) fn report(&self, agent: &AgentCheck) -> String {
        self.resume.json(self.standing(), agent.answer())
    }
}

/// Records how long the head of each answer took, by route.
pub(crate) fn record(
    resume: &Resume,
    request: &Request,
) -> ControlFlow<Response, impl FnOnce(Response) -> Response + use<>> {
    let resume = resume.clone();
    let route = request.extensions().get::<Route>().cloned();
    let began = Instant::now();
    ControlFlow::Continue(move |response| {
        if let Some(route) = route {
            resume.record(route.name(), began.elapsed());
        }
        response
    })
}
