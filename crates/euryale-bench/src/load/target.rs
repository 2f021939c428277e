//! The server that a client loads.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

/// The maximum time that a client waits for a byte.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What a client needs to know about the server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    #[arg(long)]
    pub(super) to: SocketAddr,
    /// The address of its metrics
    #[arg(long)]
    pub(super) admin: Option<SocketAddr>,
    /// The id of its process
    #[arg(long)]
    pub(super) pid: u32,
    /// The congestion control that is set on the client's sockets
    #[arg(long)]
    pub(super) congestion: Option<String>,
}
