//! A separate network namespace with TCP reno.
//!
//! Many hosts use bbr, which also paces the loopback device. That makes fast servers and their
//! clients slow and busy, and a measurement of servers becomes one of congestion control.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::net::sockopt::set_tcp_congestion;
use serde::Serialize;

const CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
/// The conditions under which figures can be compared.
pub(crate) const WANTED: &str = "reno";

/// The first works for root, the second for users who may create user namespaces.
const WAYS: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];

/// The network in which the servers are measured.
#[derive(Debug, Serialize)]
pub(crate) struct Network {
    pub(crate) isolated: bool,
    /// The system's default congestion control for sockets.
    pub(crate) congestion_control: String,
    /// Whether reno was set on each socket of this program's own servers and clients.
    pub(crate) by_socket: bool,
}

impl Network {
    pub(crate) fn sentence(&self) -> String {
        let place = if self.isolated {
            "a network namespace of its own"
        } else {
            "the host's network, as a namespace was not allowed (or `unshare` or `ip` is missing)"
        };
        let control = &self.congestion_control;
        if self.by_socket {
            return format!(
                "{place}, TCP {WANTED} on the sockets of this program's servers and clients, TCP \
                    {control} for others"
            );
        }
        format!("{place}, TCP {control}")
    }

    /// The option that this program's own servers and clients must set on their sockets.
    pub(crate) fn of_sockets(&self) -> Option<&'static str> {
        self.by_socket.then_some(WANTED)
    }
}

/// Starts this program again in its own network namespace if that is allowed, and returns only in
/// the new process. Otherwise it returns here.
pub(crate) fn enter(isolated: bool) -> Network {
    if isolated {
        // A refusal does no harm: the report says which congestion control was used.
        let _ = fs::write(CONTROL, WANTED);
    } else if let (Some(way), Ok(program)) = (way(), std::env::current_exe()) {
        // The loopback device of a new namespace is down.
        let script = r#"ip link set lo up && exec "$0" "$@""#;
        let error = unshare(way)
            .args(["sh", "-c", script])
            .arg(program)
            .args(std::env::args_os().skip(1))
            .arg("--isolated")
            .exec();
        eprintln!("unshare: {error}");
    }
    let control = fs::read_to_string(CONTROL).unwrap_or_default();
    let control = if control.is_empty() {
        "of unknown congestion control"
    } else {
        control.trim()
    };
    let by_socket = control != WANTED && may_be_set();
    Network {
        isolated,
        congestion_control: control.to_owned(),
        by_socket,
    }
}

/// Returns whether the congestion control of a socket can be set.
fn may_be_set() -> bool {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.is_ok_and(|listener| set_tcp_congestion(&listener, WANTED).is_ok())
}

/// Returns the first way that works.
fn way() -> Option<&'static [&'static str]> {
    WAYS.into_iter().find(|way| {
        let mut trial = unshare(way);
        trial
            .args(["ip", "link", "set", "lo", "up"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        trial.status().is_ok_and(|status| status.success())
    })
}

fn unshare(way: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).arg("--");
    command
}
