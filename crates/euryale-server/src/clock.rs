//! The timer of a socket.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::socket::Phase;

/// The maximum time of a peer in each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
    pub(crate) write: Duration,
}

/// The time without a request after which an HTTP/1 socket rests, without hyper's state. It is
/// short, so that few idle sockets have buffers at a time, and long enough that a socket with
/// consecutive requests never rests.
pub(crate) const REST: Duration = Duration::from_millis(100);

impl Limits {
    /// Returns the limit of a phase, or `None` if it has no limit.
    fn of(self, phase: Phase, is_http2: bool) -> Option<Duration> {
        match phase {
            Phase::Idle if !is_http2 => Some(self.idle.min(REST)),
            Phase::Silent | Phase::FirstHead | Phase::Head => Some(self.head),
            Phase::Idle | Phase::IdleAfterBody => Some(self.idle),
            Phase::Writing | Phase::Retiring => Some(self.write),
            Phase::Busy => None,
        }
    }
}

/// An HTTP/2 peer after the first GOAWAY. hyper waits until the peer confirms it (RFC 9113 §6.8),
/// and a peer that reads nothing never does. A socket without streams has a second or two for
/// requests that are on their way.
#[derive(Debug)]
pub(crate) struct Parting {
    sleep: Pin<Box<Sleep>>,
    was_free: bool,
}

impl Parting {
    const SPAN: Duration = Duration::from_secs(1);

    /// Creates the timer; `is_free` says whether no stream is open now.
    pub(crate) fn new(is_free: bool) -> Self {
        Self {
            sleep: Box::pin(sleep_until(Instant::now() + Self::SPAN)),
            was_free: is_free,
        }
    }

    /// Ready when there was no stream at two checks, one span apart; otherwise wakes the task for
    /// the next check.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, is_free: impl Fn() -> bool) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let is_free = is_free();
            if is_free && self.was_free {
                return Poll::Ready(());
            }
            self.was_free = is_free;
            self.sleep.as_mut().reset(Instant::now() + Self::SPAN);
        }
    }
}

pin_project! {
    /// Detects that a phase has lasted too long.
    ///
    /// A phase that ends in time costs nothing: the timer is only reset for an earlier deadline,
    /// and checks the current deadline when it fires. So consecutive requests on a socket set a
    /// timer once in [`REST`], not once each.
    #[derive(Debug)]
    pub(crate) struct Clock {
        #[pin]
        sleep: Sleep,
        is_armed: bool,
        begun: Instant,
        phase: (Phase, u32),
        deadline: Option<Instant>,
        limits: Limits,
    }
}

impl Clock {
    /// The interval at which HTTP/2 requests, which end in their own tasks, are checked.
    const LOOK: Duration = Duration::from_secs(5);

    pub(crate) fn new(limits: Limits) -> Self {
        let begun = Instant::now();
        let deadline = begun + limits.head;
        let sleep = sleep_until(deadline);
        let phase = (Phase::Silent, 0);
        Self {
            sleep,
            is_armed: true,
            begun,
            phase,
            deadline: Some(deadline),
            limits,
        }
    }

    /// Ready when `phase` has lasted too long; otherwise wakes the task for the next check.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        phase: (Phase, u32),
        is_http2: bool,
    ) -> Poll<Phase> {
        let mut this = self.project();
        if *this.phase != phase {
            *this.phase = phase;
            let limit = this.limits.of(phase.0, is_http2);
            *this.deadline = match phase.0 {
                // The time for the first head begins when the peer connects.
                Phase::Silent | Phase::FirstHead => Some(*this.begun + this.limits.head),
                _ => limit.map(|limit| Instant::now() + limit),
            };
            if let Some(deadline) = *this.deadline
                && (!*this.is_armed || deadline < this.sleep.deadline())
            {
                this.sleep.as_mut().reset(deadline);
                *this.is_armed = true;
            }
            if is_http2 && !*this.is_armed {
                this.sleep.as_mut().reset(Instant::now() + Self::LOOK);
                *this.is_armed = true;
            }
        }
        while *this.is_armed {
            ready!(this.sleep.as_mut().poll(cx));
            *this.is_armed = false;
            let next = match *this.deadline {
                Some(deadline) if deadline <= this.sleep.deadline() => {
                    return Poll::Ready(this.phase.0);
                }
                Some(deadline) => deadline,
                None if is_http2 => Instant::now() + Self::LOOK,
                None => break,
            };
            this.sleep.as_mut().reset(next);
            *this.is_armed = true;
        }
        Poll::Pending
    }
}
