//! How much the kernel accepts for a peer beyond what it has sent.
//!
//! By default it accepts megabytes. A thousand peers that request files and read nothing would fill
//! the kernel's memory for TCP, and filling it would keep the threads of the runtime busy. So the
//! limit is [`UNSENT`], which is more than a network takes in the time that a wake-up needs.
//!
//! A peer on the same machine or network empties that in microseconds, and most of the cost of a
//! file is then the wake-ups of its sender. So files have more at a few sockets at a time, each of
//! which has one of [`PLACES`]. The place is returned only when the kernel again has no more unsent
//! bytes than it would have accepted without it, so that a peer that stops reading keeps its place,
//! and no other one gets it.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use euryale_core::ledger::GaugeGuard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::SendfileBook;

/// How many unsent bytes the kernel accepts for a socket without a place. A full socket is writable
/// again when half of it has been sent.
const UNSENT: u32 = 256 << 10;
/// How many unsent bytes it accepts of a file whose peer is not known to be fast. A shorter file
/// has its own length.
const FIRST: u32 = 4 << 20;
/// A peer is fast if a full socket is writable again within this time,
const FAST: Duration = Duration::from_millis(2);
/// this many times in a row.
const ROW: u8 = 4;
/// A peer that takes longer than this is slow.
const SLOW: Duration = Duration::from_millis(50);

/// The number of sockets of one server for which the kernel accepts more than [`UNSENT`].
pub(crate) const PLACES: usize = 32;

/// Stands for the limit of `net.ipv4.tcp_notsent_lowat`. By default, it is as good as infinite.
const KERNELS: u32 = 0;

/// Limits the unsent bytes that the kernel holds for a socket, by `TCP_NOTSENT_LOWAT`, to 256 KiB:
/// by default it would accept megabytes for each peer that reads nothing. Other systems than Linux
/// have no such limit.
///
/// Call it once for a listener, before it accepts; its sockets inherit the limit. While a
/// [`SendfileIo`](crate::SendfileIo) sends a file to a fast peer, it allows more, at 32 sockets at
/// a time.
///
/// # Errors
///
/// As `setsockopt(2)`.
pub fn limit_unsent(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(UNSENT)
}

/// The unsent bytes of one socket.
#[derive(Debug)]
pub(super) struct Unsent {
    state: State,
    /// How many times in a row the peer was fast.
    fast: u8,
    full_since: Option<Instant>,
    drained: u32,
}

/// Small ⇒ Large when a file begins, or when its peer has shown that it is fast, while there are
/// places. Large ⇒ Draining at the end of the file, or when the peer is slow. Draining ⇒ Small when
/// the kernel has few unsent bytes.
#[derive(Debug)]
enum State {
    Small,
    Large(Box<Large>),
    /// Nothing is written. The socket is writable when it has less than `left` times half of
    /// [`UNSENT`].
    Draining {
        left: u32,
        _place: Place,
    },
}

#[derive(Debug)]
struct Large {
    place: Place,
    limit: u32,
    /// The file has been written.
    is_over: bool,
    /// The limit is [`UNSENT`] again, and the kernel may still have more.
    is_lowered: bool,
    /// Fires when a full socket may be a slow one.
    slow: Option<Pin<Box<Sleep>>>,
}

impl Unsent {
    pub(super) fn new() -> Self {
        Self {
            state: State::Small,
            fast: 0,
            full_since: None,
            drained: 0,
        }
    }

    /// Returns whether the kernel may hold more than it would accept without a place.
    pub(super) fn is_large(&self) -> bool {
        !matches!(self.state, State::Small)
    }

    /// A number that changes when a peer with a place reads some of what the kernel holds.
    pub(super) fn drained(&self) -> u32 {
        self.drained
    }

    /// The first bytes of a file of `len` bytes are about to be written.
    pub(super) fn begin(&mut self, stream: &TcpStream, places: &Places, len: u64) {
        if len > u64::from(UNSENT) && !self.is_large() {
            let limit = u32::try_from(len).unwrap_or(FIRST).min(FIRST);
            self.enlarge(stream, places, limit);
        }
    }

    fn enlarge(&mut self, stream: &TcpStream, places: &Places, limit: u32) {
        let Some(place) = places.take() else {
            return;
        };
        allow(stream, limit);
        self.state = State::Large(Box::new(Large {
            place,
            limit,
            is_over: false,
            is_lowered: false,
            slow: None,
        }));
    }

    /// The last bytes of a file have been written.
    pub(super) fn end(&mut self) {
        if let State::Large(large) = &mut self.state {
            large.is_over = true;
        }
    }

    /// The socket took some bytes of a file.
    pub(super) fn took(&mut self, stream: &TcpStream, places: &Places) {
        let Some(since) = self.full_since.take() else {
            return;
        };
        let wait = since.elapsed();
        if wait > FAST {
            self.fast = 0;
            if wait > SLOW {
                self.drain(stream);
            }
            return;
        }
        self.fast = ROW.min(self.fast + 1);
        if self.fast < ROW {
            return;
        }
        match &mut self.state {
            State::Small => self.enlarge(stream, places, KERNELS),
            State::Large(large) if large.limit != KERNELS => {
                large.limit = KERNELS;
                allow(stream, KERNELS);
            }
            State::Large(_) | State::Draining { .. } => {}
        }
    }

    /// The socket takes no more bytes of a file for now, and the task is woken when it does.
    pub(super) fn poll_full(&mut self, cx: &mut Context<'_>, stream: &TcpStream) {
        let now = Instant::now();
        let is_slow_at = *self.full_since.get_or_insert(now) + SLOW;
        let State::Large(large) = &mut self.state else {
            return;
        };
        // It stays armed when the peer was fast, and is set again at most once in this time.
        let slow = large
            .slow
            .get_or_insert_with(|| Box::pin(sleep_until(is_slow_at)));
        while slow.as_mut().poll(cx).is_ready() {
            if now < is_slow_at {
                slow.as_mut().reset(is_slow_at);
                continue;
            }
            self.fast = 0;
            self.full_since = None;
            self.drain(stream);
            if self.poll_drained(cx, stream).is_ready() {
                cx.waker().wake_by_ref();
            }
            return;
        }
    }

    /// Ready when bytes that belong to no file may be written.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>, stream: &TcpStream) -> Poll<()> {
        match &mut self.state {
            State::Large(large) if large.is_over => {
                // A fast peer is waited for only once, until it has read nearly everything.
                if !large.is_lowered {
                    large.is_lowered = true;
                    allow(stream, UNSENT);
                }
                if poll_room(cx, stream).is_ready() {
                    self.state = State::Small;
                    self.full_since = None;
                    return Poll::Ready(());
                }
                self.poll_full(cx, stream);
                Poll::Pending
            }
            _ => self.poll_drained(cx, stream),
        }
    }

    /// Back to [`UNSENT`].
    fn drain(&mut self, stream: &TcpStream) {
        let State::Large(large) = std::mem::replace(&mut self.state, State::Small) else {
            return;
        };
        allow(stream, UNSENT);
        if has_room(stream) {
            return;
        }
        // The peer reads some of it from time to time, and that must be seen: so the socket becomes
        // writable after each half of `UNSENT`. Where is it now?
        let limit = match large.limit {
            KERNELS => FIRST,
            limit => limit,
        };
        let mut full = 1;
        let mut free = 1 + 2 * limit / UNSENT;
        while full + 1 < free {
            let middle = full.midpoint(free);
            allow(stream, middle * UNSENT);
            if has_room(stream) {
                free = middle;
            } else {
                full = middle;
            }
        }
        allow(stream, full * UNSENT);
        self.state = State::Draining {
            left: full,
            _place: large.place,
        };
    }

    /// Ready unless there is more to send than without a place.
    pub(super) fn poll_drained(&mut self, cx: &mut Context<'_>, stream: &TcpStream) -> Poll<()> {
        while let State::Draining { left, .. } = &mut self.state {
            ready!(poll_room(cx, stream));
            self.drained = self.drained.wrapping_add(1);
            *left -= 1;
            if *left == 0 {
                self.state = State::Small;
            } else {
                allow(stream, *left * UNSENT);
            }
        }
        Poll::Ready(())
    }
}

fn allow(stream: &TcpStream, unsent: u32) {
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(unsent) {
        tracing::debug!(%error, unsent, "could not set TCP_NOTSENT_LOWAT");
    }
}

/// Ready when the kernel calls the socket writable, or broken, which is noticed by the next write.
fn poll_room(cx: &mut Context<'_>, stream: &TcpStream) -> Poll<()> {
    while ready!(stream.poll_write_ready(cx)).is_ok() {
        let look = || {
            let has_room = has_room(stream);
            has_room
                .then_some(())
                .ok_or(io::ErrorKind::WouldBlock.into())
        };
        if stream.try_io(Interest::WRITABLE, look).is_ok() {
            break;
        }
    }
    Poll::Ready(())
}

/// Returns whether the kernel calls the socket writable, or broken. If not, it will tell when that
/// changes.
fn has_room(stream: &TcpStream) -> bool {
    let now = Timespec::default();
    let events = retry_on_intr(|| {
        let mut socket = [PollFd::new(stream, PollFlags::OUT)];
        poll(&mut socket, Some(&now))
    });
    events != Ok(0)
}

/// The places of one server.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    book: Arc<SendfileBook>,
}

impl Places {
    pub(crate) fn new(count: usize, book: Arc<SendfileBook>) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            book,
        }
    }

    fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            _counted: GaugeGuard::new(&self.book.large_buffers, 1),
        })
    }
}

#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: GaugeGuard,
}

#[cfg(test)]
mod tests;
