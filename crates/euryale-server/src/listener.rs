//! Where peers come from.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use euryale_core::PeerAddr;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::transport::Raw;

/// A socket that peers connect to, made from a bound [`TcpListener`] or [`UnixListener`](tokio::net::UnixListener).
///
/// Give several to one [`Server`](crate::Server): IPv4 and IPv6 loopback, say. Binding stays with the
/// program, which knows what to do when a port is taken.
pub struct Listener {
    kind: Kind,
}

enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// The address it is bound to, if it is one of TCP; how to learn the port after binding port 0.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)`; and `Unsupported` for a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.local_addr(),
            #[cfg(unix)]
            Kind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Raw, PeerAddr)> {
        match &self.kind {
            Kind::Tcp(tcp) => {
                let (stream, address) = tcp.accept().await?;
                // hyper writes whole responses: waiting to fill a packet (Nagle) only delays their ends.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "could not set TCP_NODELAY");
                }
                Ok((Raw::Tcp(stream), PeerAddr::Tcp(address)))
            }
            #[cfg(unix)]
            Kind::Unix(unix) => {
                let (stream, _) = unix.accept().await?;
                Ok((Raw::Unix(stream), PeerAddr::Unix))
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { kind: Kind::Tcp(tcp) }
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(unix: UnixListener) -> Self {
        Self { kind: Kind::Unix(unix) }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(tcp) => f.debug_tuple("Listener").field(&tcp.local_addr().ok()).finish(),
            #[cfg(unix)]
            Kind::Unix(unix) => f.debug_tuple("Listener").field(&unix.local_addr().ok()).finish(),
        }
    }
}
