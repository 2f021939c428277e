//! A stream whose peer gives it no window is reset.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    static CURRENT: Arc<Sending>;
}

/// What the task of a stream and the body that it sends tell each other.
#[derive(Debug)]
pub(crate) struct Sending {
    born: Instant,
    /// When hyper was given bytes and did not ask for more yet: milliseconds after `born`, plus one. Zero: hyper waits
    /// for bytes, not for its peer.
    since: AtomicU64,
}

impl Sending {
    fn new() -> Self {
        Self { born: Instant::now(), since: AtomicU64::new(0) }
    }

    /// That of the stream whose task this is.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// hyper asked for bytes, and has them or waits for them.
    pub(crate) fn gave(&self, bytes: bool) {
        let stamp = if bytes { u64::try_from(self.born.elapsed().as_millis()).unwrap_or(0) + 1 } else { 0 };
        self.since.store(stamp, Relaxed);
    }

    fn since(&self) -> Option<Instant> {
        self.since.load(Relaxed).checked_sub(1).map(|millis| self.born + Duration::from_millis(millis))
    }
}

/// The task of a stream, ended when its peer takes none of it for as long as `stall`: hyper resets it then with CANCEL.
pub(crate) fn watch<F: Future<Output = ()>>(stream: F, stall: Duration) -> Watched<F> {
    Watched { stream, sending: Arc::new(Sending::new()), stall, alarm: None }
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
        if CURRENT.sync_scope(Arc::clone(this.sending), || stream.poll(cx)).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = this.sending.since() else { return Poll::Pending };
        let deadline = since + *this.stall;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while alarm.as_mut().poll(cx).is_ready() {
            if deadline <= alarm.deadline() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
