//! From settings to an exit code.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use euryale::{Ledger, Pool};
use euryale_server::{Admin, Drained, Readiness, Server, Shutdown, systemd};
use euryale_sqlite::Sqlite;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::app::{UPLOADS, app};
use crate::data::Data;
use crate::error::StartError;
use crate::listeners::Listeners;
use crate::log;
use crate::say::say;
use crate::settings::Settings;
use crate::standing::Stands;
use crate::theme::Theme;
use crate::{echo, public, reload};

/// Something had to be cut at the end of the drain.
const CUT: u8 = 3;

/// For threads that still run after the drain. They had their time.
const LAST_GRACE: Duration = Duration::from_millis(250);

/// Does what `settings` say, to the end.
///
/// The runtime is built by hand and ended with a time-out: dropping it would wait for a publisher that never
/// returns.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, StartError> {
    log::start(settings.log)?;
    let runtime = euryale::runtime(&settings.threads()).map_err(|error| {
        let what = format!("cannot start threads: {error}");
        StartError::new(what, "this process", "see the system's limits")
    })?;
    let ended = start(&runtime, settings);
    runtime.shutdown_timeout(LAST_GRACE);
    ended.map(|complete| if complete { ExitCode::SUCCESS } else { ExitCode::from(CUT) })
}

/// Binds first: whoever cannot serve has changed nothing, and whoever comes early waits. The database is opened
/// here, outside the runtime: it blocks.
fn start(runtime: &Runtime, settings: &Settings) -> Result<bool, StartError> {
    let guard = runtime.enter();
    let shutdown = Shutdown::signals().map_err(|error| {
        let what = format!("cannot handle signals: {error}");
        StartError::new(what, "this process", "see the system's limits")
    })?;
    let listeners = Listeners::bind(settings)?;
    drop(guard);
    let greeting = listeners.greeting(&settings.data);
    let operators = Operators::start(runtime, (listeners.admin, listeners.agent), &shutdown, settings.drain);
    settings.theme.check()?;
    let Data { sqlite, blobs } = Data::open(&settings.data)?;
    let theme = Theme::open(&settings.theme)?;
    let pool = Pool::builder(sqlite)
        .ledger(operators.ledger.clone())
        .connections(settings.connections)
        .max_queue(settings.max_queue)
        .max_wait(settings.max_wait)
        .lane(UPLOADS, (settings.connections / 2).max(1))
        .build();
    let stands = &operators.stands;
    stands.open(&pool);
    let app = app(pool.clone(), blobs, &theme, settings, stands.resume());
    let app = echo::beside(app, &shutdown, &settings.edge);
    let app = public::around(app, settings);
    let server = settings.edge.server().ledger(operators.ledger.clone()).drain_deadline(settings.drain);
    let server = listeners.public.into_iter().fold(server, Server::listen);
    runtime.block_on(async {
        operators.opened.store(true, Ordering::Relaxed);
        say(&greeting);
        let serving = serve(server.serve(app, shutdown.clone()), &pool, settings.drain, &shutdown);
        let complete = tokio::select! {
            complete = serving => complete,
            () = reload::on_signal(settings, &pool, listeners.tls.as_ref()) => false,
        };
        operators.end().await;
        Ok(complete)
    })
}

/// The address that answers from the first moment to the last.
struct Operators {
    ledger: Ledger,
    /// The site is opened, and serves.
    opened: Arc<AtomicBool>,
    end: Shutdown,
    stands: Stands,
    agent: Option<JoinHandle<()>>,
    serving: JoinHandle<Drained>,
}

impl Operators {
    fn start(
        runtime: &Runtime,
        (admin, agent): (TcpListener, Option<TcpListener>),
        shutdown: &Shutdown,
        drain: Duration,
    ) -> Self {
        let (ledger, opened, end) = (Ledger::new(), Arc::new(AtomicBool::new(false)), Shutdown::new());
        let readiness = Readiness::new(shutdown).probe({
            let opened = Arc::clone(&opened);
            move || opened.load(Ordering::Relaxed)
        });
        runtime.spawn(systemd::notify(readiness.clone(), shutdown.clone(), drain));
        let stands = Stands::new(ledger.clone(), readiness.clone(), shutdown.clone());
        let agent = agent.map(|listener| runtime.spawn(stands.agent().serve(listener)));
        let reporting = stands.clone();
        let showing = stands.clone();
        let answers = Admin::new(ledger.clone(), readiness)
            .status(move || showing.details())
            .report("/-/resume", move || reporting.report());
        let server = Server::new().listen(admin).drain_deadline(LAST_GRACE);
        let serving = runtime.spawn(server.serve(answers, end.clone()));
        Self { ledger, opened, end, stands, agent, serving }
    }

    async fn end(self) {
        if let Some(agent) = self.agent {
            agent.abort();
        }
        self.end.drain();
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "operators were no longer answered");
        }
    }
}

/// Serves until `shutdown` drains; then says whether everything came to its end by itself.
async fn serve(
    serving: impl Future<Output = Drained>,
    pool: &Pool<Sqlite>,
    drain: Duration,
    shutdown: &Shutdown,
) -> bool {
    let began = async {
        shutdown.draining().await;
        Instant::now()
    };
    let (drained, began) = tokio::join!(serving, began);
    let closed = close(pool, drain.saturating_sub(began.elapsed()), shutdown).await;
    Drained::is_complete(&drained) && closed
}

/// A publication whose client has gone away is finished all the same: it has what is left of the drain's
/// time, unless a second signal comes.
async fn close(pool: &Pool<Sqlite>, left: Duration, shutdown: &Shutdown) -> bool {
    let closed = tokio::select! {
        biased;
        closed = pool.close(left) => closed,
        () = shutdown.cutting() => pool.close(Duration::ZERO).await,
    };
    if let Err(busy) = &closed {
        tracing::warn!("{busy}");
        for holder in pool.status().holders {
            tracing::warn!(route = ?holder.route, phase = %holder.phase, age = ?holder.age, "left behind");
        }
    }
    closed.is_ok()
}
