//! A stream whose peer does not read: it gets little, and is reset in the end.
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

/// The number of unwritten bytes in hyper at which a body yields no more. hyper itself would hold
/// its full buffer and one more piece, of any size, and polls for that before there is a window for
/// it.
const ENOUGH: usize = 8 << 10;

tokio::task_local! {
    static CURRENT: Arc<Sending>;
}

/// The state that the task of a stream and its body share.
#[derive(Debug)]
pub(crate) struct Sending {
    born: Instant,
    /// When the peer last read something that hyper has: milliseconds after `born`, plus one. Zero:
    /// hyper waits for bytes, not for its peer.
    since: AtomicU64,
    /// Since when the stream waits for its peer to read the first bytes, counted like `since`. Zero
    /// if its body tracks that.
    offered: AtomicU64,
    /// The bytes that the socket has sent, if a file is being sent.
    taken: OnceLock<Arc<Taken>>,
    /// Bytes that hyper has.
    out: AtomicUsize,
    /// The task's waker, while it waits for them to be written.
    waiting: Mutex<Option<Waker>>,
    /// The task, the body and its pieces in hyper share this; the last of them counts.
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

    /// That of the stream whose task this is.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// The response is that of a stream of this socket.
    pub(crate) fn is_of(&self, cell: &Arc<SocketCell>) {
        // A stream has one response.
        let _ = self.unwritten.set(Unwritten::new(cell));
    }

    /// Ready when hyper may be given more.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.out.load(Relaxed) < ENOUGH {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // The holder of the last piece counts first, and then looks for waiters.
        if self.out.load(Relaxed) < ENOUGH {
            return Poll::Ready(());
        }
        match &mut *waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The stream sends a file, on a socket whose files are taken together.
    pub(super) fn is_file(&self, taken: &Arc<Taken>) {
        // A stream has one response.
        let _ = self.taken.set(Arc::clone(taken));
    }

    /// A file has waited for its turn since `since`, or since its peer last read something of
    /// another one. Its turn does not stop the clock, only bytes that are read do: otherwise the
    /// files of a peer that reads nothing would be abandoned one turn after the other.
    pub(super) fn offered(&self, since: Instant) {
        let since = self.at(since);
        self.offered.store(since, Relaxed);
        self.since.store(since, Relaxed);
    }

    /// hyper polled for bytes, and has them or waits for them.
    pub(crate) fn gave(&self, bytes: bool) {
        let since = match self.offered.load(Relaxed) {
            _ if !bytes => 0,
            0 => self.now(),
            offered => offered,
        };
        self.since.store(since, Relaxed);
    }

    /// Some of what hyper has was written.
    pub(super) fn went_on(&self) {
        self.offered.store(0, Relaxed);
        if let Some(taken) = self.taken.get() {
            taken.now();
        }
        let since = self.since.load(Relaxed);
        if since != 0 {
            // If hyper has polled in the meantime, that counts.
            let _ = self
                .since
                .compare_exchange(since, self.now(), Relaxed, Relaxed);
        }
    }

    /// The number of bytes on their way to hyper.
    pub(super) fn is_out(&self, bytes: usize) {
        self.out.fetch_add(bytes, Relaxed);
    }

    /// hyper has dropped them.
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

/// The task of a stream, which ends if its peer reads nothing of it for `stall`: then hyper resets
/// it with CANCEL.
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
        // Few streams ever wait for their peers.
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
