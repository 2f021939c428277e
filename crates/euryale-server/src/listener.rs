//! Where peers come from.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// A socket that peers connect to, made from a bound [`TcpListener`].
///
/// Give several to one [`Server`](crate::Server): IPv4 and IPv6 loopback, say. Binding stays with the
/// program, which knows what to do when a port is taken.
pub struct Listener {
    pub(crate) tcp: TcpListener,
}

impl Listener {
    /// The address it is bound to; how to learn the port after binding port 0.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.tcp.local_addr().ok()).finish()
    }
}
