//! The byte streams of sockets.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use euryale_sendfile::SendfileIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// The number of bytes that are read at a time: one less than the size of hyper's first buffer.
/// hyper doubles its buffer whenever a read fills it, up to `max_header_size`, and does not shrink
/// it while a body is slow, so that hundreds of slow uploads would hold 64 KiB each.
const MOST_READ: u64 = (8 << 10) - 1;

/// An accepted stream.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A stream for hyper. It is an enum, not a type parameter, so that hyper is compiled once.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(SendfileIo),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<Raw>>),
}

impl Transport {
    /// Returns the accepted socket beneath everything else.
    fn raw(&self) -> RawRef<'_> {
        match self {
            Self::Tcp(io) => RawRef::Tcp(io.stream()),
            #[cfg(unix)]
            Self::Unix(stream) => RawRef::Unix(stream),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0.as_ref(),
        }
    }

    /// Waits until something arrives, possibly the end. Reads nothing.
    pub(crate) async fn readable(&self) {
        // The reader gets the error.
        let _ = self.raw().readable().await;
    }

    /// Reads and discards available bytes. Returns `None` if the peer has closed the connection or
    /// broken off.
    pub(crate) async fn discard(&self, buffer: &mut [u8]) -> Option<usize> {
        let raw = self.raw();
        loop {
            raw.readable().await.ok()?;
            match raw.try_read(buffer) {
                Ok(0) => return None,
                Ok(count) => return Some(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    /// Discards unsent bytes at the close, even those in the kernel.
    pub(crate) fn forget(&self) {
        if let RawRef::Tcp(stream) = self.raw() {
            // If this fails, the kernel keeps trying to send them for a while.
            let _ = stream.set_zero_linger();
        }
    }
}

impl Raw {
    #[cfg(feature = "tls")]
    fn as_ref(&self) -> RawRef<'_> {
        match self {
            Self::Tcp(stream) => RawRef::Tcp(stream),
            #[cfg(unix)]
            Self::Unix(stream) => RawRef::Unix(stream),
        }
    }
}

enum RawRef<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl RawRef<'_> {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.readable().await,
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }
}

/// A stream beneath which more may be written than its peer has read.
pub(crate) trait Drains {
    /// A number that changes when the peer reads something although nothing can be written.
    fn drained(&self) -> u32;
}

impl Drains for Transport {
    fn drained(&self) -> u32 {
        match self {
            Self::Tcp(io) => io.drained(),
            // The kernel has only a few bytes of such a socket.
            #[cfg(unix)]
            Self::Unix(_) => 0,
            #[cfg(feature = "tls")]
            Self::Tls(_) => 0,
        }
    }
}

/// Calls the same method of the actual stream.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            #[cfg(unix)]
            Self::Unix($stream) => $call,
            #[cfg(feature = "tls")]
            Self::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(&mut stream.take(MOST_READ)).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// Calls the same method of the stream before TLS.
macro_rules! raw {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            #[cfg(unix)]
            Self::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Raw {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        raw!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

#[cfg(feature = "tls")]
impl AsyncWrite for Raw {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        raw!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        raw!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        raw!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
