//! On systems other than Linux, files are read and written like other bodies.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use euryale_core::Ledger;
use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::SendfileCounts;

/// Does nothing, because no file is sent by `sendfile(2)` and no threads are needed.
pub fn declare_threads(_ledger: &Ledger) {}

/// Limits the unsent bytes that the kernel holds for a socket: on Linux only.
///
/// # Errors
///
/// None.
pub fn limit_unsent<T>(_socket: &T) -> io::Result<()> {
    Ok(())
}

/// The files that one socket sends by `sendfile(2)`: none.
#[derive(Clone, Debug)]
pub struct Windows;

/// A TCP socket that sends files with `sendfile(2)` on Linux, and writes them here.
#[derive(Debug)]
pub struct SendfileIo {
    stream: TcpStream,
}

impl SendfileIo {
    /// Creates a socket that counts the files that it sends.
    #[must_use]
    pub fn new(stream: TcpStream, _counts: SendfileCounts) -> Self {
        Self { stream }
    }

    /// Returns the inner socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A number that changes when a peer reads some of what the kernel holds: on Linux only.
    #[must_use]
    pub fn drained(&self) -> u32 {
        0
    }

    /// The files that this socket sends, for [`arm`].
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &Windows
    }
}

impl AsyncRead for SendfileIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SendfileIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Does not change the body of `response`.
pub fn arm<B>(_response: &Response<B>, _windows: &Windows) {}
