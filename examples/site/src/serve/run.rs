//! From settings to an exit code.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use euryale::body::Reserve;
use euryale::connection::{BlockingThreads, PoolBook};
use euryale::{Ledger, Pool};
use euryale_admin::{Admin, Controls};
use euryale_server::{
    DescriptorLimit, Listener, Polls, Readiness, Server, Shutdown, Slowest, limit_heap_arenas,
    supervise, systemd,
};
use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::effects::Ways;
use crate::cli::error::StartError;
use crate::cli::output::print;
use crate::cli::settings::{MOST_CONNECTIONS, Settings};
use crate::cli::variables;
use crate::serve::app::{SEARCHES, UPLOADS, searches, uploads};
use crate::serve::drain::serve;
use crate::serve::health::{CHECK_EVERY, Health, Opened};
use crate::serve::lanes::Lanes;
use crate::serve::listeners::Listeners;
use crate::serve::live::{Live, OperatorsWayIn, Parts, WayIn};
use crate::serve::log::{Lines, Log, Logs};
use crate::serve::operators::{self, OperatorsServer};
use crate::serve::permits::Rules;
use crate::serve::signals::UserSignals;
use crate::serve::storage::Storage;
use crate::serve::{CUT, LAST_GRACE, LOG, console, descriptors, detached, parent, reload};
use crate::store::Engine;
use crate::store::data::Data;

/// Runs the program with `settings`, to its exit code.
///
/// The runtime is built by hand and ended with a time-out: dropping it would wait for a publisher
/// that never returns.
pub(crate) fn run(settings: &Settings, signals: UserSignals) -> Result<ExitCode, StartError> {
    if let Some(processes) = settings.processes
        && !supervise::is_child()
    {
        return parent::run(settings, processes, signals);
    }
    // Before the first thread.
    let arenas = limit_heap_arenas(settings.heap_arenas);
    let limit = descriptors::raise()?;
    let (log, mut logs, writing) = Log::start(settings)?;
    let access = logs.open_access(settings)?;
    let opened = Opened::default();
    signals.handle(logs.clone(), opened.clone())?;
    for warning in variables::unknown() {
        tracing::warn!(target: LOG, "{warning}");
    }
    if let Err(error) = arenas {
        tracing::warn!(target: LOG, %error, "the arenas of the heap are not limited");
    }
    let fitted = descriptors::fit(&limit, settings);
    let declared = Declared::new(&fitted);
    let runtime = euryale::runtime(&declared.ledger)
        .map_err(|error| StartError::of_system("start threads", &error))?;
    let ended = start(
        &runtime,
        declared,
        (&fitted, settings),
        limit,
        (log, logs),
        opened,
    );
    runtime.shutdown_timeout(LAST_GRACE);
    drop((access, writing));
    ended.map(|complete| {
        if complete {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(CUT)
        }
    })
}

/// The parts with blocking threads, for which the runtime is built.
struct Declared {
    ledger: Ledger,
    lanes: Lanes,
    publishers: BlockingThreads,
    server: Server,
}

impl Declared {
    fn new(settings: &Settings) -> Self {
        let ledger = Ledger::new();
        // Its series exist while the site opens; the pool is created later.
        let _ = ledger.of::<PoolBook>();
        Self {
            lanes: Lanes::new(&ledger),
            publishers: BlockingThreads::new(MOST_CONNECTIONS, &ledger),
            server: settings.edge.server().ledger(ledger.clone()),
            ledger,
        }
    }
}

/// Serves with `settings`, which are `asked` lowered to the available descriptors.
///
/// Binds first, so that a site that cannot serve has changed nothing, and early clients wait.
fn start(
    runtime: &Runtime,
    declared: Declared,
    (settings, asked): (&Settings, &Settings),
    limit: DescriptorLimit,
    (log, logs): (Log, Logs),
    opened: Opened,
) -> Result<bool, StartError> {
    let Declared {
        ledger,
        lanes,
        publishers,
        server,
    } = declared;
    let guard = runtime.enter();
    let signals =
        || -> std::io::Result<_> { Ok((Shutdown::signals()?, signal(SignalKind::hangup())?)) };
    let (shutdown, hangups) =
        signals().map_err(|error| StartError::of_system("handle signals", &error))?;
    supervise::drain_without_parent(&shutdown)
        .map_err(|error| StartError::of_system("start threads", &error))?;
    let Listeners {
        public: listeners,
        admin,
        agent,
        tls,
        balancers,
        is_loopback_only,
        ways,
        findings,
        greeting,
        names: _,
    } = Listeners::bind(settings)?;
    drop(guard);
    let rules = Rules::new(settings, is_loopback_only);
    let bound = Bound {
        lanes,
        publishers,
        ways,
        is_loopback_only,
        access: logs.access.clone(),
    };
    let asked_again = Arc::default();
    let controls = console::controls(&shutdown, &log, &asked_again);
    let reserve = limit.reserve();
    let operators = Operators::start(
        runtime,
        ledger,
        (admin, agent),
        &reserve,
        (&shutdown, &controls),
        settings.drain,
        (logs, rules, opened),
    );
    let guard = runtime.enter();
    let _console = console::start(settings, &operators.way_in.admin, &reserve)?;
    drop(guard);
    operators
        .health
        .holds(settings.edge.sockets_of_a_balancer());
    let server = listeners
        .into_iter()
        .fold(server, Server::listen)
        .slowest(&operators.slowest)
        .polls(&operators.polls)
        .lame_duck(settings.lame_duck)
        .drain_deadline(settings.drain);
    let Some(opened) = runtime.block_on(open(settings, &operators, &shutdown, bound))? else {
        // Clients that arrived in the meantime get an answer, and nothing was begun that the next
        // start could not repair.
        let refuse = Router::new()
            .fallback(async || (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]));
        let drained = runtime.block_on(server.serve(refuse, shutdown));
        runtime.block_on(operators.server.end());
        return Ok(drained.is_complete());
    };
    // Not earlier, because an error that prevents the start is reported in one line.
    descriptors::log_shortage(&limit, asked);
    findings.log();
    let (parts, site) = opened;
    let pool = parts.pool.clone();
    let live = Live {
        parts,
        way_in: WayIn::new(site),
        limit,
        changes: server.changes(),
        tls,
        balancers,
        log,
        operators: operators.way_in.clone(),
    };
    runtime.block_on(async {
        operators.serves.store(true, Ordering::Relaxed);
        if !supervise::is_child() {
            print(&greeting);
        }
        let serving = server.serve(live.way_in.clone(), shutdown.clone());
        let serving = serve(serving, &pool, settings.drain, &shutdown);
        let complete = tokio::select! {
            complete = serving => complete,
            () = reload::on_signal(hangups, &asked_again, asked, &live) => false,
        };
        operators.server.end().await;
        Ok(complete)
    })
}

/// The parts that exist before the database is open.
struct Bound {
    lanes: Lanes,
    publishers: BlockingThreads,
    ways: Ways,
    is_loopback_only: bool,
    /// The file of `--access-log`.
    access: Option<Lines>,
}

/// Opens the database, and reads all files, in a thread of its own, because a disk may be slow.
/// None if the site must stop before that is done.
async fn open(
    settings: &Settings,
    operators: &Operators,
    shutdown: &Shutdown,
    bound: Bound,
) -> Result<Option<(Parts, Router)>, StartError> {
    let settings = settings.clone();
    let ledger = operators.ledger.clone();
    let health = operators.health.clone();
    let ends = shutdown.clone();
    let opening = detached::run("opening", move || {
        open_now(&settings, ledger, health, ends, bound)
    });
    tokio::select! {
        biased;
        opened = opening => opened.map(Some),
        () = shutdown.draining() => Ok(None),
    }
}

fn open_now(
    settings: &Settings,
    ledger: Ledger,
    health: Health,
    shutdown: Shutdown,
    bound: Bound,
) -> Result<(Parts, Router), StartError> {
    settings.theme.check()?;
    let Data { engine, blobs } = Data::open(settings.storage.location())?;
    log_capacity(&engine, settings)?;
    let storage = Storage::new(blobs.ledger(ledger.clone()), settings, &ledger);
    let pool = Pool::builder(engine.ledger(&ledger))
        .ledger(ledger)
        .threads(bound.publishers)
        .connections(settings.connections)
        .max_queue(settings.max_queue)
        .max_wait(settings.max_wait)
        .lane(UPLOADS, uploads(settings))
        .lane(SEARCHES, searches(settings))
        .build();
    health.open(&pool, &storage.blobs);
    let parts = Parts {
        pool,
        storage,
        lanes: bound.lanes,
        health,
        shutdown,
        ways: bound.ways,
        access: bound.access,
        is_loopback_only: bound.is_loopback_only,
    };
    let (site, theme) = parts.site(settings)?;
    parts.health.shows(theme);
    Ok((parts, site))
}

/// Compares the server's limit on connections with those of all processes of this site.
fn log_capacity(engine: &Engine, settings: &Settings) -> Result<(), StartError> {
    let processes = settings.processes.unwrap_or(1);
    match engine.capacity(settings.connections, processes)? {
        Some((line, true)) => tracing::warn!(target: LOG, "{line}"),
        Some((line, false)) => tracing::info!(target: LOG, "{line}"),
        None => {}
    }
    Ok(())
}

/// The operators' address, which answers from the beginning to the end.
struct Operators {
    ledger: Ledger,
    slowest: Slowest,
    polls: Polls,
    /// The site is opened, and serves.
    serves: Arc<AtomicBool>,
    health: Health,
    way_in: OperatorsWayIn,
    server: OperatorsServer,
}

impl Operators {
    fn start(
        runtime: &Runtime,
        ledger: Ledger,
        (admin, agent): (Listener, Option<TcpListener>),
        reserve: &Reserve,
        (shutdown, controls): (&Shutdown, &Controls),
        drain: Duration,
        (logs, rules, opened): (Logs, Rules, Opened),
    ) -> Self {
        let slowest = Slowest::new();
        let polls = Polls::new();
        let serves = Arc::new(AtomicBool::new(false));
        let readiness = Readiness::new(shutdown)
            .probe({
                let serves = Arc::clone(&serves);
                let opened = opened.clone();
                move || serves.load(Ordering::Relaxed) && opened.is_reachable()
            })
            .check(CHECK_EVERY, {
                let opened = opened.clone();
                move || opened.clone().check()
            });
        runtime.spawn(systemd::notify(readiness.clone(), shutdown.clone(), drain));
        let health = Health::new(opened.clone(), readiness.clone(), shutdown.clone(), logs);
        let check = health.agent();
        let agent = agent.map(|listener| {
            runtime.spawn(operators::check(check.clone(), listener, reserve.clone()))
        });
        let reporting = health.clone();
        let loaded = health.clone();
        let showing = health.clone();
        let answers = Admin::for_ledger(ledger.clone(), readiness)
            .program(concat!("site ", env!("CARGO_PKG_VERSION")))
            .status(move || showing.details())
            .slowest(&slowest)
            .polls(&polls)
            .report("/-/resume", move || reporting.report(&check))
            .load(move || loaded.load())
            .find_pool(move || {
                let pool = opened.pool()?.clone();
                Some(Arc::new(pool))
            })
            .controls(controls);
        let way_in = OperatorsWayIn::new(answers, rules);
        let guard = runtime.enter();
        let server = OperatorsServer::start(admin, reserve, way_in.way_in.clone(), agent);
        drop(guard);
        Self {
            ledger,
            slowest,
            polls,
            serves,
            health,
            way_in,
            server,
        }
    }
}
