//! The sender of a request.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The sender of a request, as the server sees it. It is in the extensions of every request.
///
/// It is determined by the network, and no header of the request can change it: behind a reverse
/// proxy it is the proxy. Layers that trust certain proxies decide by [`address`](Self::address).
/// Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Peer(Arc<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    address: PeerAddr,
    balancer: Option<PeerAddr>,
    is_tls: bool,
    server_name: Option<Box<str>>,
}

/// The location of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// A TCP peer at this address.
    Tcp(SocketAddr),
    /// A peer on this machine, connected through a Unix socket. The socket's mode and owner decide
    /// which processes may connect.
    Unix,
    /// An unknown peer: the PROXY header was `UNKNOWN`.
    Unknown,
}

impl Peer {
    /// Creates a peer at this address, without TLS.
    #[must_use]
    pub fn new(address: PeerAddr) -> Self {
        Self(Arc::new(Facts {
            address,
            balancer: None,
            is_tls: false,
            server_name: None,
        }))
    }

    /// Returns the same peer over TLS, with the server name that it requested (SNI, RFC 6066 §3),
    /// if any.
    #[must_use]
    pub fn over_tls(mut self, server_name: Option<&str>) -> Self {
        let facts = Arc::make_mut(&mut self.0);
        facts.is_tls = true;
        facts.server_name = server_name.map(Box::from);
        self
    }

    /// Returns the same peer as a balancer whose PROXY header names `source` as the client.
    #[must_use]
    pub fn speaks_for(mut self, source: PeerAddr) -> Self {
        let facts = Arc::make_mut(&mut self.0);
        facts.balancer = Some(std::mem::replace(&mut facts.address, source));
        self
    }

    /// Returns the source of the request. Behind a balancer that sent a PROXY header, this is the
    /// source in that header.
    #[must_use]
    pub fn address(&self) -> PeerAddr {
        self.0.address
    }

    /// Returns the balancer that sent a PROXY header, if there is one.
    #[must_use]
    pub fn balancer(&self) -> Option<PeerAddr> {
        self.0.balancer
    }

    /// Returns whether the client uses TLS, to this server or, by the PROXY header, to the
    /// balancer.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.is_tls
    }

    /// Returns the server name that the peer requested in its TLS handshake.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_deref()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PeerAddr {
    /// Returns the address, unless the peer has none. IPv4 is never written as IPv6.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Formatted as `127.0.0.1:4711`, `unix` or `unknown`.
impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
