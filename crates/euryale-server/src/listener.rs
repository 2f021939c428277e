//! Listeners.

#[cfg(all(feature = "supervise", unix))]
mod backup;
#[cfg(unix)]
mod unix;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use euryale_core::body::Reserve;
use euryale_core::request::PeerAddr;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

#[cfg(all(feature = "supervise", unix))]
use self::backup::Backup;
#[cfg(unix)]
pub use self::unix::{SocketFile, UnixSocket};
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::transport::Raw;

/// A socket that peers connect to, made from a bound [`TcpListener`] or from a [`UnixSocket`].
///
/// A [`Server`](crate::Server) accepts several, for example for IPv4 and IPv6 loopback. Your
/// program binds the socket, so that it can decide what to do if a port is taken.
pub struct Listener {
    kind: Kind,
    pub(crate) before: Before,
    reserve: Option<Reserve>,
    pub(crate) is_inherited: bool,
    #[cfg(unix)]
    file: Option<unix::SocketFile>,
}

enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
    #[cfg(all(feature = "supervise", unix))]
    Backup(Backup),
}

type Names = Arc<dyn Fn(PeerAddr) -> bool + Send + Sync>;

/// The protocols that precede HTTP.
#[derive(Clone, Default)]
pub(crate) struct Before {
    pub(crate) proxy: Option<Names>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

impl Listener {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            before: Before::default(),
            reserve: None,
            is_inherited: false,
            #[cfg(unix)]
            file: None,
        }
    }

    /// Requires TLS from peers.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.before.tls = Some(tls.clone());
        self
    }

    /// Peers for which `balancers` returns `true` must begin with a header of the PROXY protocol,
    /// version 1 or 2, which names their client; without one they are closed. From all others such
    /// a header is refused, because it is not HTTP. So a peer cannot choose whether it is trusted.
    ///
    /// The header precedes TLS. A balancer that ended TLS itself can say so with version 2
    /// ([`Peer::is_tls`](euryale_core::request::Peer::is_tls)).
    #[must_use]
    pub fn proxy_protocol(
        mut self,
        balancers: impl Fn(PeerAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.before.proxy = Some(Arc::new(balancers));
        self
    }

    /// Makes this a listener for operators: they are accepted with a descriptor of `reserve` if
    /// there is no other ([`DescriptorLimit::reserve`](crate::DescriptorLimit::reserve)).
    ///
    /// [`Server::admin`](crate::Server::admin) accepts as many sockets as the reserve has places,
    /// at most 32, and then closes an idle one for each new one. If you run your own server for
    /// operators, use that number as its [`max_sockets`](crate::Server::max_sockets).
    #[must_use]
    pub fn reserve(mut self, reserve: Reserve) -> Self {
        self.reserve = Some(reserve);
        self
    }

    /// Declares that the listener stays open in another process, which continues to accept peers
    /// when this process drains. This process then accepts no peers after the drain has begun, not
    /// even during the [lame duck](crate::Server::lame_duck).
    /// [`systemd::listeners`](crate::systemd::listeners) are inherited.
    #[must_use]
    pub fn inherited(mut self) -> Self {
        self.is_inherited = true;
        self
    }

    /// Returns the number of places of the reserve, if there is one.
    pub(crate) fn places(&self) -> Option<usize> {
        self.reserve.as_ref().map(Reserve::places)
    }

    fn open<T>(&self, mut accept: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &self.reserve {
            Some(reserve) => reserve.open(accept),
            None => accept(),
        }
    }

    /// Returns the bound TCP address, which has the actual port after binding port 0.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`, and `Unsupported` for a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.local_addr(),
            #[cfg(unix)]
            Kind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(all(feature = "supervise", unix))]
            Kind::Backup(backup) => backup.local_addr(),
        }
    }

    /// Leaves the peers of a TCP listener to another process, and accepts only those that it leaves
    /// waiting.
    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn backup(self) -> io::Result<Self> {
        let kind = match self.kind {
            Kind::Tcp(tcp) => Kind::Backup(Backup::new(tcp)?),
            other => other,
        };
        Ok(Self { kind, ..self })
    }

    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.kind, Kind::Tcp(_))
    }

    /// Takes the socket out of the runtime, for another process. The file of a Unix socket is
    /// removed when the second value is dropped.
    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn into_fd(self) -> io::Result<(std::os::fd::OwnedFd, Option<unix::SocketFile>)> {
        let socket = match self.kind {
            Kind::Tcp(tcp) => tcp.into_std()?.into(),
            Kind::Unix(unix) => unix.into_std()?.into(),
            Kind::Backup(backup) => backup.into_std().into(),
        };
        Ok((socket, self.file))
    }

    pub(crate) async fn accept(&self) -> io::Result<(Raw, PeerAddr)> {
        match &self.kind {
            Kind::Tcp(tcp) => {
                let (stream, address) = poll_fn(|cx| self.open(|| tcp.poll_accept(cx))).await?;
                #[cfg(not(target_os = "linux"))]
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "could not set TCP_NODELAY");
                }
                Ok((Raw::Tcp(stream), PeerAddr::Tcp(address)))
            }
            #[cfg(unix)]
            Kind::Unix(unix) => {
                let (stream, _) = poll_fn(|cx| self.open(|| unix.poll_accept(cx))).await?;
                Ok((Raw::Unix(stream), PeerAddr::Unix))
            }
            #[cfg(all(feature = "supervise", unix))]
            Kind::Backup(backup) => {
                let (stream, address) = backup.accept().await?;
                Ok((Raw::Tcp(stream), PeerAddr::Tcp(address)))
            }
        }
    }
}

/// Sets what every socket has. Those that a listener accepts inherit it on Linux, which saves two
/// system calls for each.
#[cfg(target_os = "linux")]
fn set_options(listener: &TcpListener) {
    // hyper writes whole responses: waiting to fill a packet (Nagle) only delays their ends.
    if let Err(error) = rustix::net::sockopt::set_tcp_nodelay(listener, true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    if let Err(error) = euryale_sendfile::limit_unsent(listener) {
        tracing::debug!(%error, "could not set TCP_NOTSENT_LOWAT");
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        #[cfg(target_os = "linux")]
        set_options(&tcp);
        Self::new(Kind::Tcp(tcp))
    }
}

/// The socket's file is not removed, unlike with [`UnixSocket`].
#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(unix: UnixListener) -> Self {
        Self::new(Kind::Unix(unix))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Listener");
        match &self.kind {
            Kind::Tcp(tcp) => debug.field("address", &tcp.local_addr().ok()),
            #[cfg(unix)]
            Kind::Unix(unix) => debug
                .field("address", &unix.local_addr().ok())
                .field("file", &self.file),
            #[cfg(all(feature = "supervise", unix))]
            Kind::Backup(backup) => debug.field("backup", backup),
        };
        debug.finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_inherits_the_options_of_its_listener() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = Listener::from(tcp);
        let address = listener.local_addr().unwrap();
        let (accepted, peer) = tokio::join!(listener.accept(), TcpStream::connect(address));
        peer.unwrap();
        let Raw::Tcp(stream) = accepted.unwrap().0 else {
            panic!("a socket of TCP");
        };
        assert!(stream.nodelay().unwrap());
    }
}
