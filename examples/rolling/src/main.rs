//! Two processes behind one listener. SIGHUP replaces them, and no request fails.

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use euryale_server::supervise::{self, Supervisor};
use euryale_server::{Listener, Readiness, Server, Shutdown, systemd};
use tokio::net::TcpListener;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    supervise::first_step()?;
    tracing_subscriber::fmt() // children that died, and a roll that stopped
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Runtime::new()?;
    let is_complete = if supervise::is_child() {
        runtime.block_on(serve())?
    } else {
        runtime.block_on(supervise())?
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::from(u8::from(!is_complete)))
}

/// The parent, which binds the address and serves no requests.
async fn supervise() -> Result<bool, Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:3000");
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    let mut program = Command::new(std::env::current_exe()?);
    program.args(std::env::args_os().skip(1));
    let supervisor = Supervisor::new(program).pass_on("http", Listener::from(listener))?;
    Ok(supervisor.processes(2).run(Shutdown::signals()?).await?)
}

/// A child, which serves requests.
async fn serve() -> Result<bool, Box<dyn Error>> {
    const DRAIN: Duration = Duration::from_secs(30);
    let shutdown = Shutdown::signals()?;
    supervise::drain_without_parent(&shutdown)?;
    let listeners = systemd::listeners()?;
    let server = listeners
        .into_iter()
        .fold(Server::new(), |server, (_, listener)| {
            server.listen(listener)
        });
    tokio::spawn(systemd::notify(
        Readiness::new(&shutdown),
        shutdown.clone(),
        DRAIN,
    ));
    let app = Router::new().route("/", get(async || std::process::id().to_string()));
    let drained = server.drain_deadline(DRAIN).serve(app, shutdown).await;
    Ok(drained.is_complete())
}
