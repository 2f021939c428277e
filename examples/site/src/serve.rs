//! From settings to an exit code.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use euryale::Pool;
use euryale::blob::FolderStore;
use euryale_agent_check::Resume;
use euryale_server::{Admin, Drained, Readiness, Server, Shutdown};
use euryale_sqlite::Sqlite;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::app::{UPLOADS, app};
use crate::data::Data;
use crate::error::StartError;
use crate::log;
use crate::say::say;
use crate::settings::Settings;
use crate::standing::Stands;

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

/// Binds first: whoever cannot serve has changed nothing. The database is opened here, outside the runtime:
/// it blocks.
fn start(runtime: &Runtime, settings: &Settings) -> Result<bool, StartError> {
    let listeners = runtime.block_on(Listeners::bind(settings))?;
    let Data { sqlite, blobs } = Data::open(&settings.data)?;
    let pool = Pool::builder(sqlite)
        .connections(settings.connections)
        .max_queue(settings.max_queue)
        .max_wait(settings.max_wait)
        .lane(UPLOADS, (settings.connections / 2).max(1))
        .build();
    runtime.block_on(async {
        let shutdown = Shutdown::signals().map_err(|error| {
            StartError::new(
                format!("cannot handle signals: {error}"),
                "this process",
                "see the system's limits",
            )
        })?;
        say(&listeners.greeting(&settings.data));
        Ok(serve(listeners, pool, blobs, settings, shutdown).await)
    })
}

/// Serves until `shutdown` drains; then says whether everything came to its end by itself.
async fn serve(
    listeners: Listeners,
    pool: Pool<Sqlite>,
    blobs: FolderStore,
    settings: &Settings,
    shutdown: Shutdown,
) -> bool {
    let drain = settings.drain;
    let (readiness, resume) = (Readiness::new(&shutdown), Resume::new());
    let stands = Stands::new(pool.clone(), readiness.clone(), shutdown.clone(), resume.clone());
    // Balancers are told of the drain to its end.
    let agent = listeners.agent.map(|listener| tokio::spawn(stands.agent().serve(listener)));
    let admin = Admin::new(pool.ledger().clone(), readiness).report("/-/resume", move || stands.report());
    let server =
        Server::new().ledger(pool.ledger().clone()).admin(listeners.admin, admin).drain_deadline(drain);
    let server = listeners.public.into_iter().fold(server, Server::listen);
    let began = async {
        shutdown.draining().await;
        Instant::now()
    };
    let (drained, began) =
        tokio::join!(server.serve(app(pool.clone(), blobs, settings, resume), shutdown.clone()), began);
    let closed = close(&pool, drain.saturating_sub(began.elapsed()), &shutdown).await;
    if let Some(agent) = agent {
        agent.abort();
    }
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
    }
    closed.is_ok()
}

struct Listeners {
    public: Vec<TcpListener>,
    admin: TcpListener,
    agent: Option<TcpListener>,
}

impl Listeners {
    async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let mut public = Vec::new();
        for address in &settings.listen {
            public.push(bind(*address, "--listen").await?);
        }
        let admin = bind(settings.admin, "--admin").await?;
        let agent = match settings.agent {
            Some(address) => Some(bind(address, "--agent").await?),
            None => None,
        };
        Ok(Self { public, admin, agent })
    }

    fn greeting(&self, data: &Path) -> String {
        // Asking a bound socket for its address does not fail.
        let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}/"));
        let urls: Vec<String> = self.public.iter().flat_map(url).collect();
        let admin = url(&self.admin).unwrap_or_default();
        let agent = self.agent.as_ref().and_then(|listener| listener.local_addr().ok());
        let agent = agent.map(|address| format!(", agent: {address}")).unwrap_or_default();
        format!("Serving {} from {} - operators: {admin}readyz{agent}\n", urls.join(" and "), data.display())
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == ErrorKind::AddrInUse {
            let remedy = format!("end the program that uses it, or choose another one with {flag}");
            return StartError::new("the address is in use", address, remedy);
        }
        StartError::new(format!("cannot listen: {error}"), address, format!("choose another one with {flag}"))
    })
}
