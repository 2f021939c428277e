//! Handles streams whose peer does not read: they get little data, and are finally reset.
//!
//! hyper has no time-out for a stream whose peer opens no window
//! (<https://github.com/hyperium/hyper/issues/1628>). With one, and with the signal of
//! <https://github.com/hyperium/h2/issues/448>, this file would be unnecessary.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Taken;
use crate::socket::{SocketCell, Unwritten};

/// The number of unwritten bytes in hyper at which a body pauses. By itself, hyper would hold its
/// full buffer and one more piece of any size, for which it polls before there is a window.
const ENOUGH: usize = 8 << 10;

tokio::task_local! {
    static CURRENT: Arc<Sending>;
}

/// The state that the task of a stream and its body share.
#[derive(Debug)]
pub(crate) struct Sending {
    born: Instant,
    /// The time at which the peer last read some of hyper's bytes: milliseconds after `born`, plus
    /// one. Zero if hyper waits for bytes and not for its peer.
    since: AtomicU64,
    /// The time since which the stream has waited for its peer to read the first bytes, counted
    /// like `since`. Zero if its body tracks that.
    offered: AtomicU64,
    /// The bytes that the socket has sent, if a file is being sent.
    taken: OnceLock<Arc<Taken>>,
    /// The number of bytes that hyper holds.
    out: AtomicUsize,
    /// The task's waker while it waits for these bytes to be written.
    waiting: Mutex<Option<Waker>>,
    /// The task, the body and its pieces in hyper share this value. It is dropped with the last of
    /// them.
    unwritten: OnceLock<Unwritten>,
}

impl Sending {
    fn new() -> Self {
        Self {
            born: Instant::now(),
            since: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            taken: OnceLock::new(),
            out: AtomicUsize::new(0),
            waiting: Mutex::default(),
            unwritten: OnceLock::new(),
        }
    }

    /// Returns the state of the stream that the current task runs.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Records that the response belongs to a stream of this socket.
    pub(crate) fn is_of(&self, cell: &Arc<SocketCell>) {
        // A stream has one response.
        let _ = self.unwritten.set(Unwritten::new(cell));
    }

    /// Ready when hyper may get more bytes.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.out.load(Relaxed) < ENOUGH {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // The holder of the last piece first updates the count, and then looks for waiters.
        if self.out.load(Relaxed) < ENOUGH {
            return Poll::Ready(());
        }
        match &mut *waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Records that the stream sends a file; `taken` counts the files of the whole socket.
    pub(super) fn is_file(&self, taken: &Arc<Taken>) {
        // A stream has one response.
        let _ = self.taken.set(Arc::clone(taken));
    }

    /// Records that a file has waited for its turn since `since`, or since its peer last read
    /// something of another file. The clock is stopped not by its turn but only by bytes that the
    /// peer reads. Otherwise the files of a peer that reads nothing would be abandoned one after
    /// the other.
    pub(super) fn offered(&self, since: Instant) {
        let since = self.at(since);
        self.offered.store(since, Relaxed);
        self.since.store(since, Relaxed);
    }

    /// Records that hyper has polled for bytes, and has them or waits for them.
    pub(crate) fn gave(&self, bytes: bool) {
        let since = match self.offered.load(Relaxed) {
            _ if !bytes => 0,
            0 => self.now(),
            offered => offered,
        };
        self.since.store(since, Relaxed);
    }

    /// Records that some of hyper's bytes were written.
    pub(super) fn went_on(&self) {
        self.offered.store(0, Relaxed);
        if let Some(taken) = self.taken.get() {
            taken.now();
        }
        let since = self.since.load(Relaxed);
        if since != 0 {
            // If hyper has polled since, that counts.
            let _ = self
                .since
                .compare_exchange(since, self.now(), Relaxed, Relaxed);
        }
    }

    /// Records bytes that are passed to hyper.
    pub(super) fn is_out(&self, bytes: usize) {
        self.out.fetch_add(bytes, Relaxed);
    }

    /// Records that hyper has dropped bytes.
    pub(super) fn is_back(&self, bytes: usize) {
        let before = self.out.fetch_sub(bytes, Relaxed);
        if before >= ENOUGH && before - bytes < ENOUGH {
            let waiting = self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    fn at(&self, instant: Instant) -> u64 {
        let age = instant.saturating_duration_since(self.born);
        u64::try_from(age.as_millis()).unwrap_or(0) + 1
    }

    fn since(&self) -> Option<Instant> {
        self.since
            .load(Relaxed)
            .checked_sub(1)
            .map(|millis| self.born + Duration::from_millis(millis))
    }
}

/// Wraps the task of a stream. The task ends if its peer reads nothing of the stream for `stall`;
/// hyper then resets the stream with CANCEL.
pub(crate) fn watch<F: Future<Output = ()>>(stream: F, stall: Duration) -> Watched<F> {
    Watched {
        stream,
        sending: Arc::new(Sending::new()),
        stall,
        alarm: None,
    }
}

pin_project! {
    pub(crate) struct Watched<F> {
        #[pin]
        stream: F,
        sending: Arc<Sending>,
        stall: Duration,
        // Created when needed, because few streams ever wait for their peers.
        alarm: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let stream = this.stream;
        if CURRENT
            .sync_scope(Arc::clone(this.sending), || stream.poll(cx))
            .is_ready()
        {
            return Poll::Ready(());
        }
        let Some(since) = this.sending.since() else {
            return Poll::Pending;
        };
        let deadline = since + *this.stall;
        let alarm = this
            .alarm
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while alarm.as_mut().poll(cx).is_ready() {
            if deadline <= alarm.deadline() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
