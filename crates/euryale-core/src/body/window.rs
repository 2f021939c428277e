//! A window of bytes that were written and not yet sent.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

/// The window, shared by a writer on its thread and the body on the runtime.
pub(crate) struct Window {
    state: Mutex<Unsent>,
    moved: Condvar,
    size: usize,
    stall: Duration,
}

#[derive(Default)]
struct Unsent {
    /// Complete pieces, in order, followed by the piece that collects small writes.
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
    waker: Option<Waker>,
    side: Side,
}

/// Open ⇒ Gone when the body is dropped, Open ⇒ Stalled when the client read nothing for too long.
#[derive(Clone, Copy, Default, PartialEq)]
enum Side {
    #[default]
    Open,
    Gone,
    Stalled,
}

impl Window {
    pub(crate) fn new(size: usize, stall: Duration) -> Self {
        Self {
            state: Mutex::default(),
            moved: Condvar::new(),
            size: size.max(1),
            stall,
        }
    }

    /// Writes as much of `bytes` as fits, and waits until at least one byte does.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.room()?;
        let len = bytes.len().min(self.size - state.len);
        state.tail.extend_from_slice(&bytes[..len]);
        let waker = state.grow(len);
        drop(state);
        wake(waker);
        Ok(len)
    }

    /// Takes `bytes` without a copy, once at least one byte fits.
    pub(crate) fn push(&self, bytes: Bytes) -> io::Result<()> {
        let mut state = self.room()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let tail = state.tail.split().freeze();
        let len = bytes.len();
        state.pieces.extend((!tail.is_empty()).then_some(tail));
        state.pieces.push_back(bytes);
        let waker = state.grow(len);
        drop(state);
        wake(waker);
        Ok(())
    }

    /// Checks that the body is still wanted.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.lock().check()
    }

    fn room(&self) -> io::Result<MutexGuard<'_, Unsent>> {
        let mut state = self.lock();
        // This is a blocking thread, so it uses the real clock.
        let mut until = None;
        loop {
            state.check()?;
            if state.len < self.size {
                return Ok(state);
            }
            let left = match until {
                None => {
                    until = Instant::now().checked_add(self.stall);
                    self.stall
                }
                Some(until) => Instant::saturating_duration_since(&until, Instant::now()),
            };
            if left.is_zero() {
                state.side = Side::Stalled;
                let waker = state.waker.take();
                drop(state);
                wake(waker);
                return Err(stalled());
            }
            state = self
                .moved
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Returns the next piece. Pending while the window is empty, even if nothing can arrive any
    /// more.
    pub(crate) fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut state = self.lock();
        let piece = match state.pieces.pop_front() {
            Some(piece) => piece,
            None if !state.tail.is_empty() => state.tail.split().freeze(),
            None if state.side == Side::Stalled => return Poll::Ready(Err(stalled())),
            None => {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        state.len -= piece.len();
        drop(state);
        self.moved.notify_one();
        Poll::Ready(Ok(piece))
    }

    /// Records that the body was dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let left = Unsent {
            side: Side::Gone,
            ..Unsent::default()
        };
        let unsent = std::mem::replace(&mut *state, left);
        drop(state);
        self.moved.notify_one();
        drop(unsent);
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsent {
    fn check(&self) -> io::Result<()> {
        match self.side {
            Side::Open => Ok(()),
            Side::Gone => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the client is gone",
            )),
            Side::Stalled => Err(stalled()),
        }
    }

    /// Returns a waker that must be woken after the lock has been released.
    fn grow(&mut self, len: usize) -> Option<Waker> {
        self.len += len;
        self.waker.take()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn stalled() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client took nothing for too long",
    )
}
