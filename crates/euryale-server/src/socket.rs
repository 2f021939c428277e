//! The socket of a peer, and its connection to the edge.

mod cell;
mod ending;
mod frames;
mod resets;

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use euryale_core::ledger::GaugeGuard;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::cell::LongTarget;
pub(crate) use self::cell::{Phase, RunningRequest, SocketCell, Unwritten};
pub(crate) use self::ending::Ending;
use self::frames::{Flood, Frames};
use crate::per_peer::PeerPlace;
use crate::transport::Drains;

/// An open socket, and its entry in the ledger.
#[derive(Debug)]
pub(crate) struct Socket<T> {
    pub(crate) io: T,
    pub(crate) open: Open,
}

/// Counts a socket as open, and later by its ending.
#[derive(Debug)]
pub(crate) struct Open {
    cell: Arc<SocketCell>,
    /// The place among the sockets of the same peer.
    pub(crate) place: Option<PeerPlace>,
    _gauge: GaugeGuard,
    _token: TaskTrackerToken,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Open {
    /// `opened` counts it; `token` tells the drain that the socket is open; `permit` is its place
    /// among all sockets.
    pub(crate) fn new(
        cell: Arc<SocketCell>,
        opened: &AtomicUsize,
        token: TaskTrackerToken,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let gauge = GaugeGuard::new(&cell.book.sockets.open, 1);
        opened.fetch_add(1, Ordering::Relaxed);
        Self {
            cell,
            place: None,
            _gauge: gauge,
            _token: token,
            _permit: permit,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cell.is_no_longer_reusable();
        self.cell.count_ending();
    }
}

/// The socket that hyper reads and writes. hyper drops it when it has finished, or leaves it to the
/// route that asked for an upgrade. On drop the socket returns to its conversation, which closes it
/// properly, unless the conversation has ended.
#[derive(Debug)]
pub(crate) struct ServerIo<T> {
    /// `None` only in the drop.
    socket: Option<Socket<T>>,
    back: Option<oneshot::Sender<Socket<T>>>,
    frames: Frames,
    max_head: usize,
    lent: Lent,
}

impl<T> ServerIo<T> {
    /// `max_control_frames` is the maximum number of HTTP/2 frames without content; `max_head` is
    /// the longest head of HTTP/1, in bytes; `cut` ends a socket that belongs to a route.
    pub(crate) fn new(
        socket: Socket<T>,
        max_control_frames: u32,
        max_head: usize,
        cut: &CancellationToken,
    ) -> (Self, oneshot::Receiver<Socket<T>>) {
        let (back, given_back) = oneshot::channel();
        let frames = Frames::new(max_control_frames);
        let lent = Lent {
            cut: cut.clone(),
            waits: [None, None],
        };
        (
            Self {
                socket: Some(socket),
                back: Some(back),
                frames,
                max_head,
                lent,
            },
            given_back,
        )
    }
}

impl<T: Unpin> ServerIo<T> {
    fn parts(&mut self) -> io::Result<(Pin<&mut T>, &SocketCell, &mut Frames)> {
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok((
            Pin::new(&mut socket.io),
            &socket.open.cell,
            &mut self.frames,
        ))
    }

    /// Returns an error if the socket belongs to a route and the drain has cut it.
    fn still_lent(&mut self, cx: &mut Context<'_>, way: Way) -> io::Result<()> {
        match &self.socket {
            Some(socket) if socket.open.cell.upgraded().is_some() => self.lent.poll(cx, way),
            _ => Ok(()),
        }
    }
}

/// Ends a socket that belongs to a route. hyper's own sockets do not need it, because they are
/// dropped.
#[derive(Debug)]
struct Lent {
    cut: CancellationToken,
    /// One for the reader and one for the writer, which may be two tasks.
    waits: [Option<Pin<Box<WaitForCancellationFutureOwned>>>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Way {
    In,
    Out,
}

impl Lent {
    fn poll(&mut self, cx: &mut Context<'_>, way: Way) -> io::Result<()> {
        let wait = self.waits[way as usize]
            .get_or_insert_with(|| Box::pin(self.cut.clone().cancelled_owned()));
        match wait.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<T> Drop for ServerIo<T> {
    fn drop(&mut self) {
        if let (Some(socket), Some(back)) = (self.socket.take(), self.back.take()) {
            // No task waits for it any more, so it is closed here.
            let _ = back.send(socket);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ServerIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.still_lent(cx, Way::In)?;
        let max_head = self.max_head;
        let (io, cell, frames) = self.parts()?;
        let before = buf.filled().len();
        let read = io.poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            let heard = &buf.filled()[before..];
            if let Err(LongTarget) = cell.heard(heard, max_head) {
                // hyper ends at once, where it would answer 431 otherwise.
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            }
            if let Err(Flood) = frames.read(heard) {
                cell.blame(Ending::Flood);
                // hyper stops at once, and the rest is written afterwards.
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            }
            if frames.are_http2() {
                cell.greet();
            }
        }
        read
    }
}

impl<T: AsyncWrite + Drains + Unpin> AsyncWrite for ServerIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.still_lent(cx, Way::Out)?;
        let (mut io, cell, frames) = self.parts()?;
        let written = io.as_mut().poll_write(cx, buf);
        noted(written, &*io, cell, frames)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.still_lent(cx, Way::Out)?;
        let (mut io, cell, frames) = self.parts()?;
        let written = io.as_mut().poll_write_vectored(cx, bufs);
        noted(written, &*io, cell, frames)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(|socket| socket.io.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.still_lent(cx, Way::Out)?;
        let (mut io, cell, _) = self.parts()?;
        let flushed = io.as_mut().poll_flush(cx);
        match &flushed {
            // hyper flushes when it has written everything.
            Poll::Ready(_) => cell.flushed(),
            Poll::Pending => cell.cannot_write(io.drained()),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.parts()?.0.poll_shutdown(cx)
    }
}

fn noted(
    written: Poll<io::Result<usize>>,
    io: &impl Drains,
    cell: &SocketCell,
    frames: &mut Frames,
) -> Poll<io::Result<usize>> {
    match &written {
        Poll::Pending => cell.cannot_write(io.drained()),
        Poll::Ready(Ok(count)) => {
            cell.wrote();
            frames.wrote(*count);
        }
        Poll::Ready(Err(_)) => {}
    }
    written
}
