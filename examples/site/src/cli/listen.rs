//! The addresses that the site listens on, and the balancers that may send PROXY headers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use euryale::request::PeerAddr;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// Parses an address to listen on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or a port.
///
/// `:8080` means every IPv4 address of the machine, as in Go programs, HAProxy and gunicorn. `8080`
/// alone means loopback, as in Django's and Flask's servers, so that the shorter form cannot
/// publish a site by accident. `localhost` is never looked up (RFC 6761 §6.3), and no other name is
/// accepted, because its address could change.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.split_once(':').unwrap_or(("localhost", text));
    let ip = match host {
        "" => Some(Ipv4Addr::UNSPECIFIED),
        host if host.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST),
        _ => None,
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| is_number);
    ip.zip(port).map(SocketAddr::from).ok_or_else(|| {
        "write an IP address and a port (127.0.0.1:8080, [::1]:8080), localhost:8080, :8080 for \
         all IPv4 addresses, or 8080 for 127.0.0.1:8080"
            .to_owned()
    })
}

/// An address to serve on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Tls(SocketAddr),
    Unix(PathBuf),
}

impl Listen {
    /// The address of a TCP socket.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Tls(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("unix", "")) => Err("write the path of a socket after unix:".to_owned()),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("tls", rest)) => address(rest).map(Self::Tls),
            _ => address(text).map(Self::Tcp),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "tls:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Peers that are balancers: a network, an address, or all peers of Unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Balancers {
    Network(IpNet),
    Unix,
}

impl Balancers {
    pub(crate) fn have(self, peer: PeerAddr) -> bool {
        match (self, peer) {
            (Self::Network(network), peer) => peer.ip().is_some_and(|ip| network.contains(&ip)),
            (Self::Unix, peer) => peer == PeerAddr::Unix,
        }
    }
}

impl FromStr for Balancers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = text
            .parse::<IpNet>()
            .ok()
            .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let wrong = || "write a network, for example 10.0.0.0/8, an address, or unix".to_owned();
        network.map(Self::Network).ok_or_else(wrong)
    }
}

impl fmt::Display for Balancers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl Serialize for Balancers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
