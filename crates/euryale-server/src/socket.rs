//! One peer's socket, and what it shares with the edge.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use euryale_core::Ledger;
use euryale_core::ledger::GaugeGuard;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How a socket came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    Finished,
    Failed,
    HeadElapsed,
    Cut,
}

/// What a socket and the edge above hyper tell each other. Relaxed atomics suffice: with HTTP/1 both run in
/// one task, and with HTTP/2 they share nothing but a flag.
#[derive(Debug)]
pub(crate) struct SocketCell {
    ledger: Ledger,
    born: Instant,
    /// hyper has called the service.
    asked: AtomicBool,
    /// Nothing was read since the last write.
    silent: AtomicBool,
    /// When the head was parsed whose response hyper has and has not begun to write: nanoseconds after
    /// `born`, plus one. Zero: there is none.
    unwritten: AtomicU64,
    ending: AtomicU8,
}

impl SocketCell {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            born: Instant::now(),
            asked: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            unwritten: AtomicU64::new(0),
            // What remains when the task of the socket panics.
            ending: AtomicU8::new(Ending::Failed as u8),
        }
    }

    /// hyper has parsed a head.
    pub(crate) fn asked(&self) {
        self.asked.store(true, Relaxed);
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// Between two requests, as far as the socket can tell.
    pub(crate) fn is_idle(&self) -> bool {
        self.was_asked() && self.silent.load(Relaxed)
    }

    /// The response to the head that was parsed at `parsed` was given to hyper, which will write it to this
    /// socket.
    pub(crate) fn given(&self, parsed: Instant) {
        let stamp = self.stamp(parsed);
        // With pipelining and a slow reader two heads can wait behind each other: the older counts until now.
        self.record_stamp(self.unwritten.swap(stamp, Relaxed));
    }

    /// The response to the head that was parsed at `parsed` is written, as far as anyone can tell.
    pub(crate) fn record(&self, parsed: Instant) {
        self.ledger.response_head_seconds.record(parsed.elapsed());
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.ending.store(ending as u8, Relaxed);
    }

    fn heard(&self) {
        self.silent.store(false, Relaxed);
    }

    fn wrote(&self) {
        self.silent.store(true, Relaxed);
        // A body is many writes: a load is cheaper than a read-modify-write.
        if self.unwritten.load(Relaxed) != 0 {
            self.record_stamp(self.unwritten.swap(0, Relaxed));
        }
    }

    fn stamp(&self, parsed: Instant) -> u64 {
        let nanoseconds = parsed.saturating_duration_since(self.born).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn record_stamp(&self, stamp: u64) {
        if let Some(nanoseconds) = stamp.checked_sub(1) {
            self.record(self.born + Duration::from_nanos(nanoseconds));
        }
    }

    fn count_ending(&self) {
        let sockets = &self.ledger.sockets;
        let ending = self.ending.load(Relaxed);
        let counter = match ending {
            _ if ending == Ending::Finished as u8 => &sockets.finished,
            _ if ending == Ending::HeadElapsed as u8 => &sockets.head_elapsed,
            _ if ending == Ending::Cut as u8 => &sockets.cut,
            _ => &sockets.failed,
        };
        counter.add(1);
    }
}

pin_project! {
    /// The socket that hyper reads and writes. It is open until the last owner lets go, which after an
    /// upgrade is the route that asked for it.
    #[derive(Debug)]
    pub(crate) struct ServerIo<T> {
        #[pin]
        io: T,
        open: Open,
    }
}

impl<T> ServerIo<T> {
    /// `token` tells the drain that the socket is open.
    pub(crate) fn new(io: T, cell: Arc<SocketCell>, token: TaskTrackerToken) -> Self {
        let gauge = GaugeGuard::new(&cell.ledger, |ledger| &ledger.sockets.open, 1);
        Self { io, open: Open { cell, _gauge: gauge, _token: token } }
    }
}

#[derive(Debug)]
struct Open {
    cell: Arc<SocketCell>,
    _gauge: GaugeGuard,
    _token: TaskTrackerToken,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cell.count_ending();
    }
}

impl<T: AsyncRead> AsyncRead for ServerIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        ready!(this.io.poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.open.cell.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> AsyncWrite for ServerIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = ready!(this.io.poll_write(cx, buf))?;
        this.open.cell.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = ready!(this.io.poll_write_vectored(cx, bufs))?;
        this.open.cell.wrote();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}
