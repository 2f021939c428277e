//! A server under measurement: a child process, so that its CPU time and memory are its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::program::{PATIENCE, own};
use super::{How, Peer, nginx, python};
use crate::children::{Running, pause};
use crate::scene::{Scene, Wire};

/// A server in a child process, which ends with this handle.
pub(crate) struct Server {
    running: Running,
    address: SocketAddr,
    wire: Wire,
    admin: Option<SocketAddr>,
}

impl Server {
    /// Starts `peer`. `congestion` is for servers that can set it on their sockets.
    pub(crate) fn start(peer: &Peer, scene: &Scene, congestion: Option<&str>) -> Result<Self> {
        if let Some(missing) = peer.missing() {
            bail!("{missing}");
        }
        match &peer.how {
            How::BuiltIn(_) => Self::start_built_in(peer.name, scene, congestion),
            How::Nginx { sendfile } => Self::start_other(scene, PATIENCE, |port| {
                nginx::command(scene, port, *sendfile)
            }),
            How::Python(venv) => Self::start_other(scene, venv.patience, |port| {
                python::command(venv, scene, port)
            }),
            How::Nowhere => bail!("{} cannot be started", peer.name),
        }
    }

    /// This program again. It picks its ports and prints them.
    fn start_built_in(name: &str, scene: &Scene, congestion: Option<&str>) -> Result<Self> {
        let has_all = name.starts_with("euryale");
        ensure!(
            has_all || scene.wire == Wire::Http1,
            "{name} speaks only HTTP/1.1 here"
        );
        let mut command = own(&["serve", name])?;
        command.args(scene.arguments());
        if let Some(control) = congestion {
            command.args(["--congestion", control]);
        }
        let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdout = running
            .child()
            .stdout
            .take()
            .context("the server's output")?;
        let mut ports = String::new();
        BufReader::new(stdout)
            .read_line(&mut ports)
            .context("reading the server's port")?;
        let mut ports = ports
            .split_whitespace()
            .map(|port| local(port.parse().ok()));
        let address = ports
            .next()
            .flatten()
            .context("the server has ended without a port")?;
        Ok(Self {
            running,
            address,
            wire: scene.wire,
            admin: ports.next().flatten(),
        })
    }

    /// A program that gets a port, and accepts connections when it is ready.
    fn start_other(
        scene: &Scene,
        patience: Duration,
        command: impl FnOnce(u16) -> Result<Command>,
    ) -> Result<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = free.local_addr()?;
        drop(free);
        let mut command = command(address.port())?;
        let log = scene.folder.join("server.log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let mut running = Running::start(&mut command)?;
        let until = Instant::now() + patience;
        while TcpStream::connect(address).is_err() {
            if let Ok(status) = running.wait(Duration::ZERO) {
                let log = fs::read_to_string(&log).unwrap_or_default();
                let word = log.lines().last().unwrap_or("without a word");
                bail!("the server ended before it listened, with {status}: {word}");
            }
            ensure!(
                Instant::now() < until,
                "the server does not listen after {patience:?}"
            );
            pause();
        }
        Ok(Self {
            running,
            address,
            wire: scene.wire,
            admin: None,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.wire.scheme(), self.address)
    }

    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.id()
    }
}

fn local(port: Option<u16>) -> Option<SocketAddr> {
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port?)))
}
