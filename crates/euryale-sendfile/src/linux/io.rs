//! The socket, which recognizes windows by their addresses.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use euryale_core::threads::Stint;
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::cold::Warmth;
use super::unsent::Unsent;
use super::windows::{Place, Windows};
use crate::SendfileCounts;

/// A TCP socket that sends files with `sendfile(2)` when it is asked to write a window.
#[derive(Debug)]
pub struct SendfileIo {
    stream: TcpStream,
    windows: Windows,
    stint: Stint,
    /// The time at which the current piece, of which a part was sent, was last seen in memory.
    /// `None` for a new piece.
    warm_at: Option<Instant>,
    warmth: Warmth,
    unsent: Unsent,
    /// A file could not be sent by `sendfile(2)`: from then on bytes of maps are written like all
    /// others.
    copies: bool,
}

/// The time after which data that was cached when hyper got it may have been evicted.
const FORGETFUL: Duration = Duration::from_secs(1);
/// The number of bytes that are sent at a time before the task yields to others: 100 µs of work.
/// Smaller pieces cost more, because the peer is woken for each.
const STINT: usize = 1 << 20;
/// The maximum number of slices in one call.
const MOST_SLICES: usize = 64;

impl SendfileIo {
    /// A socket that counts the files that it sends. `stream` should be
    /// [limited](crate::limit_unsent).
    #[must_use]
    pub fn new(stream: TcpStream, counts: SendfileCounts) -> Self {
        let warmth = Warmth::new(&counts.ledger);
        Self {
            stream,
            windows: Windows::new(counts),
            stint: Stint::new(STINT),
            warm_at: None,
            warmth,
            unsent: Unsent::new(),
            copies: false,
        }
    }

    /// Returns the inner socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A number that changes when the peer reads some of a file that the kernel holds. So a server
    /// can see that a peer reads although nothing more can be written.
    #[must_use]
    pub fn drained(&self) -> u32 {
        self.unsent.drained()
    }

    /// The files that this socket sends, for [`arm`](crate::arm).
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Sends as much of the file as the socket accepts. `bytes` are in its map, and are not read.
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        place: &Place,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A socket whose peer reads fast may accept megabytes at a time without end.
        ready!(self.stint.poll_go_on(cx));
        ready!(self.unsent.poll_drained(cx, &self.stream));
        if place.offset == place.blob.offset() {
            let places = &self.windows.counts().places;
            self.unsent.begin(&self.stream, places, place.blob.len());
        }
        if self.warm_at.is_some_and(|at| at.elapsed() >= FORGETFUL) || self.warmth.is_coming() {
            ready!(self.stream.poll_write_ready(cx))?;
            let piece = || {
                place
                    .blob
                    .slice(place.offset - place.blob.offset(), bytes.len() as u64)
            };
            ready!(self.warmth.poll_warm(cx, piece))?;
            self.warm_at = None;
        }
        let some = &bytes[..bytes.len().min(STINT)];
        let sent = if self.copies {
            Pin::new(&mut self.stream).poll_write(cx, some)
        } else {
            self.poll_io(cx, || {
                let mut offset = place.offset;
                let sent = sendfile(
                    &self.stream,
                    place.blob.file(),
                    Some(&mut offset),
                    some.len(),
                );
                sent.map_err(io::Error::from)
            })
        };
        match sent {
            Poll::Pending => {
                self.stint.renew();
                self.warm_at.get_or_insert_with(Instant::now);
                self.unsent.poll_full(cx, &self.stream);
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) if !self.copies && is_for_none(&error) => {
                self.copies = true;
                return self.poll_send_file(cx, place, bytes);
            }
            Poll::Ready(Ok(sent)) if sent < bytes.len() => {}
            Poll::Ready(_) => self.warm_at = None,
        }
        let sent = ready!(sent)?;
        if sent == 0 {
            // The announced length was greater. hyper ends the connection without a proper end of
            // the body.
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than it was",
            );
            return Poll::Ready(Err(error));
        }
        self.stint.did(sent);
        let counts = self.windows.counts();
        self.unsent.took(&self.stream, &counts.places);
        if place.is_end(sent) {
            self.unsent.end();
        }
        let count = if self.copies {
            &counts.book.copied
        } else {
            &counts.book.bytes
        };
        count.add(sent as u64);
        Poll::Ready(Ok(sent))
    }

    /// Sends bytes that precede a file. The kernel waits for the file before it sends a packet that
    /// is not full.
    fn poll_send_head(
        &self,
        cx: &mut Context<'_>,
        head: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, || {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            sendmsg(
                &self.stream,
                head,
                &mut SendAncillaryBuffer::default(),
                flags,
            )
            .map_err(io::Error::from)
        })
    }

    /// Ready when bytes that belong to no file may be written. None of them wait behind megabytes
    /// of the file before them.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.unsent.poll_settled(cx, &self.stream)
    }

    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_io(Interest::WRITABLE, &mut write) {
                // The socket was not ready after all, or the call was interrupted, so it is tried
                // again.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl Drop for SendfileIo {
    /// The place among the sockets with large buffers is free again, so the kernel must not keep
    /// what is in the buffer: the peer may read nothing for minutes. What it lacks is the end of a
    /// file that was broken off.
    fn drop(&mut self) {
        if self.unsent.is_large() {
            // At worst the kernel keeps trying for a while.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// Returns whether the error means that this file's file system does not support `sendfile(2)`.
fn is_for_none(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
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
        match self.windows.find(buffer) {
            Some(place) => self.poll_send_file(cx, &place, buffer),
            None => {
                ready!(self.poll_settled(cx));
                Pin::new(&mut self.stream).poll_write(cx, buffer)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An empty slice also has an address, but it has no meaning.
        let begin = slices
            .iter()
            .position(|slice| !slice.is_empty())
            .unwrap_or(slices.len());
        let slices = &slices[begin..];
        let slices = &slices[..slices.len().min(MOST_SLICES)];
        let window = slices.iter().enumerate().find_map(|(at, slice)| {
            let place = self.windows.find(slice).filter(|_| !slice.is_empty())?;
            Some((at, place))
        });
        match window {
            Some((0, place)) => self.poll_send_file(cx, &place, &slices[0]),
            None => {
                ready!(self.poll_settled(cx));
                Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
            }
            Some((at, ..)) => {
                ready!(self.poll_settled(cx));
                self.poll_send_head(cx, &slices[..at])
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_settled(cx));
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
