//! Closes an idle socket when a new one needs its place.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The idle sockets of an operators' listener, in the order in which they became idle: sockets that
/// have sent nothing yet, and sockets between two requests. Operators have few places, and their
/// monitors keep sockets open that they use once a minute.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// Whether a place is still needed. A notification may arrive late, because the notified socket
    /// received a request in the same moment and passed the notification on.
    is_wanted: AtomicBool,
    turn: Notify,
}

impl Crowd {
    /// Asks the socket that has been idle longest, or else the next one that becomes idle, to
    /// close, until the guard is dropped.
    pub(crate) fn want(&self) -> Wanted<'_> {
        self.is_wanted.store(true, Ordering::Release);
        self.turn.notify_one();
        Wanted(self)
    }

    /// Resolves when the socket that awaits this has to close. If the future is dropped because a
    /// request has arrived, the next socket is asked.
    pub(crate) async fn is_to_go(&self) {
        loop {
            self.turn.notified().await;
            if self.is_wanted.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// Keeps asking idle sockets for a place until it is dropped.
#[derive(Debug)]
pub(crate) struct Wanted<'a>(&'a Crowd);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.is_wanted.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;

    fn is_to_go(waiting: Pin<&mut impl Future<Output = ()>>) -> bool {
        waiting
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn longest_idle_socket_goes_first_and_only_while_a_place_is_needed() {
        let crowd = Crowd::default();
        let mut first = Box::pin(crowd.is_to_go());
        let mut second = pin!(crowd.is_to_go());
        assert!(!is_to_go(first.as_mut()) && !is_to_go(second.as_mut()));
        let wanted = crowd.want();
        assert!(!is_to_go(second.as_mut()));
        drop(first);
        assert!(is_to_go(second.as_mut()), "the first was asked something");
        drop(wanted);

        let wanted = crowd.want();
        drop(wanted);
        let mut third = pin!(crowd.is_to_go());
        assert!(!is_to_go(third.as_mut()), "the place was found elsewhere");
        let _wanted = crowd.want();
        assert!(is_to_go(third.as_mut()));
    }
}
