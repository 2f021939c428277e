//! The server under measurement: a child process, so that its CPU time and memory are its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::workload;

/// How long the server may take for one answer before a run.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server in a child process, which ends with this handle.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts this program again as the server of the case `path`, with `cap` workers.
    pub(crate) fn start(path: &str, cap: usize) -> Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let child = Command::new(program)
            .args(["serve", path, "--cap", &cap.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        // From here on the handle ends the child, whatever happens.
        let mut server = Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) };
        let stdout = server.child.stdout.take().context("the server's output")?;
        let mut port = String::new();
        BufReader::new(stdout).read_line(&mut port).context("reading the server's port")?;
        let port = port.trim().parse().with_context(|| format!("the server's port, {port:?}"))?;
        server.address.set_port(port);
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request, and whether its answer is 200 with exactly this body.
pub(crate) fn check(address: SocketAddr, body: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("connecting")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).context("asking")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("reading the answer")?;
    verify(&String::from_utf8_lossy(&answer), body)
}

pub(crate) fn verify(answer: &str, body: &str) -> Result<()> {
    let status = answer.lines().next().unwrap_or("nothing");
    ensure!(status == "HTTP/1.1 200 OK", "answered {status}");
    match answer.split_once("\r\n\r\n") {
        Some((_, found)) if found == body => Ok(()),
        Some((_, found)) => bail!("answered the body {found:?} and not {body:?}"),
        None => bail!("answered half a head"),
    }
}

/// The child's side: serves until its standard input ends, and so never outlives its parent.
pub(crate) fn serve(path: &str, cap: usize) -> Result<()> {
    let case = workload::find(path).with_context(|| format!("no case {path}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        let router = (case.router)(cap);
        tokio::select! {
            served = async { axum::serve(listener, router).await } => served?,
            _ = end => {}
        }
        anyhow::Ok(())
    })?;
    runtime.shutdown_background();
    Ok(())
}
