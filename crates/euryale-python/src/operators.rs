//! The answers for operators and balancers, which need neither a worker nor the GIL.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::Duration;

use euryale::body::Reserve;
use euryale::{Body, Ledger, Pool};
use euryale_admin::{Admin, Console, Controls, Held, StatusDetails};
use euryale_agent_check::{AgentCheck, Load, Standing};
use euryale_server::{Incoming, Listener, Readiness, Server, Shutdown};
use http::{Request, Response};
use tokio::net::TcpListener;
use tower_service::Service;

use crate::again::OwnDatabase;
use crate::at_work::Kind;
use crate::log;
use crate::main_thread::{MainThread, Order};
use crate::overrun::Overrun;
use crate::pulse::Pulse;
use crate::stacks::Stacks;
use crate::turns::Sharing;

/// The name on the status page.
const PROGRAM: &str = concat!("euryale ", env!("CARGO_PKG_VERSION"));

/// The time for the last answers after everything else has ended.
const LAST_GRACE: Duration = Duration::from_millis(250);

/// The pool, once the application is loaded, and the interpreter.
#[derive(Clone)]
pub(crate) struct Loaded {
    pool: Arc<OnceLock<Pool<OwnDatabase>>>,
    pulse: Pulse,
    overrun: Overrun,
    /// How threads share the GIL.
    sharing: Arc<str>,
}

impl Loaded {
    pub(crate) fn new(pulse: &Pulse, overrun: &Overrun, sharing: &Sharing) -> Self {
        Self {
            pool: Arc::default(),
            pulse: pulse.clone(),
            overrun: overrun.clone(),
            sharing: sharing.to_string().into(),
        }
    }

    pub(crate) fn set(&self, pool: &Pool<OwnDatabase>) {
        self.pool.get_or_init(|| pool.clone());
    }

    pub(crate) fn pool(&self) -> Option<&Pool<OwnDatabase>> {
        self.pool.get()
    }

    /// Returns a readiness that is true from the loading of the application until `shutdown` begins
    /// to drain, while the interpreter runs and not all workers have run for too long.
    pub(crate) fn readiness(&self, shutdown: &Shutdown) -> Readiness {
        let loaded = self.clone();
        let is_ready = move || loaded.has_workers() && loaded.pulse.is_there();
        Readiness::new(shutdown).probe(is_ready)
    }

    /// Returns whether a worker is left that has not run for too long.
    fn has_workers(&self) -> bool {
        let cap = self.pool().map(|pool| pool.status().cap);
        cap.is_some_and(|cap| self.overrun.count() < cap)
    }

    fn load(&self, readiness: &Readiness, shutdown: &Shutdown, capacity: usize) -> Load {
        let standing = match (shutdown.is_draining(), readiness.is_ready()) {
            (true, _) => Standing::Draining,
            (false, true) => Standing::Ready,
            (false, false) => Standing::Down,
        };
        let status = self.pool().map(Pool::status).unwrap_or_default();
        Load {
            standing,
            capacity,
            ..Load::of(&status, self.overrun.limit())
        }
    }

    /// Returns the details for the status page: each running call with its request.
    fn details(&self) -> StatusDetails {
        let Some(pool) = self.pool() else {
            return StatusDetails::new().fact("application", "application", "is being imported");
        };
        let mut details = StatusDetails::new()
            .oldest_wait(pool.status().oldest_wait)
            .fact("interpreter", "GIL", &*self.sharing);
        if let Some(silence) = self.pulse.silence() {
            let silence = format!("has run no Python code for {:.1} s", silence.as_secs_f64());
            details = details.alarm("interpreter", "interpreter", silence);
        }
        let limit = self.overrun.limit();
        let (workers, outside): (Vec<_>, Vec<_>) = self
            .overrun
            .running()
            .into_iter()
            .partition(|call| call.thread.kind == Kind::Worker);
        for call in workers.iter().filter(|call| call.age > limit) {
            details = details.alarm("workers", call.thread.to_string(), call.doing());
        }
        for call in workers {
            let held = Held::new(call.age).route(call.asked.to_string());
            details = details.held(held.lane(call.thread.to_string()));
        }
        for call in outside {
            details = details.fact("outside the workers", call.thread.to_string(), call.doing());
        }
        details
    }
}

/// The ways by which an operator changes a server.
pub(crate) struct Commanded {
    pub(crate) path: Option<PathBuf>,
    pub(crate) main: MainThread,
    pub(crate) stacks: Stacks,
}

impl Commanded {
    /// Adds the commands to `admin`.
    fn add_to(&self, admin: Admin, shutdown: &Shutdown, loaded: &Loaded) -> Admin {
        let main = self.main.clone();
        let controls = Controls::new(shutdown)
            .log(|filter| Ok(log::filter(filter)?))
            .reload(move || main.tell(Order::Reload, 1));
        let loaded = loaded.clone();
        let stacks = self.stacks.clone();
        admin
            .controls(&controls)
            .find_pool(move || {
                let pool = loaded.pool()?.clone();
                Some(Arc::new(pool))
            })
            .dump(move || stacks.ask())
    }

    fn start(&self, admin: &Admin, reserve: &Reserve) -> io::Result<Option<Console>> {
        let start = |path: &Path| {
            let started = admin.console(path, Some(reserve.clone()));
            started.map_err(|error| no_console(path, &error))
        };
        self.path.as_deref().map(start).transpose()
    }
}

/// Returns the error of a console that cannot listen.
pub(crate) fn no_console(path: &Path, error: &io::Error) -> io::Error {
    let path = path.display();
    io::Error::other(format!("cannot accept commands at {path}: {error}"))
}

/// The listeners for operators and for HAProxy's agent checks.
pub(crate) struct Operators {
    pub(crate) admin: Option<Listener>,
    pub(crate) agent: Option<TcpListener>,
    pub(crate) reserve: Reserve,
    pub(crate) capacity: usize,
    pub(crate) commanded: Commanded,
}

impl Operators {
    /// Starts to answer on the current runtime, until the process ends. Commands are accepted as
    /// long as the returned console exists.
    ///
    /// # Errors
    /// The console could not listen.
    pub(crate) fn start(
        self,
        ledger: &Ledger,
        shutdown: &Shutdown,
        loaded: &Loaded,
        readiness: &Readiness,
    ) -> io::Result<Option<Console>> {
        let showing = loaded.clone();
        let load = {
            let loaded = loaded.clone();
            let shutdown = shutdown.clone();
            let readiness = readiness.clone();
            let capacity = self.capacity;
            move || loaded.load(&readiness, &shutdown, capacity)
        };
        let answers = Admin::for_ledger(ledger.clone(), readiness.clone())
            .program(PROGRAM)
            .status(move || showing.details())
            .load(load.clone());
        let answers = self.commanded.add_to(answers, shutdown, loaded);
        let console = self.commanded.start(&answers, &self.reserve)?;
        if let Some(admin) = self.admin {
            serve(admin, &self.reserve, answers);
        }
        if let Some(agent) = self.agent {
            tokio::spawn(check(AgentCheck::asking(load), agent, self.reserve));
        }
        Ok(console)
    }
}

/// Serves `answers` at `admin` on the current runtime, until the process ends.
pub(crate) fn serve<S>(admin: Listener, reserve: &Reserve, answers: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let server = Server::new()
        .listen(admin.reserve(reserve.clone()))
        .max_sockets(reserve.places())
        .close_idle_for_new(true)
        .lame_duck(Duration::ZERO)
        .drain_deadline(LAST_GRACE);
    tokio::spawn(server.serve(answers, Shutdown::new()));
}

/// Answers the checks of HAProxy, until the process ends.
pub(crate) async fn check(check: AgentCheck, agent: TcpListener, reserve: Reserve) {
    let accept = |cx: &mut Context<'_>| reserve.open(|| agent.poll_accept(cx));
    check.serve_from(accept).await;
}
