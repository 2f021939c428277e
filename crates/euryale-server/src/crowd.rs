//! Places that are wanted while all are taken.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Those who wait for nothing in particular, in the order in which they began to: one that has sent
/// nothing yet, or rests between requests, makes room for one that comes. For operators: they have
/// few places, and their monitors keep sockets that they use once in a minute.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// Whom nobody wants to go stays: a word may reach the next one late, when the one that it was
    /// for was asked something in the same moment.
    is_wanted: AtomicBool,
    turn: Notify,
}

impl Crowd {
    /// Has the one go that waits for longest, or the next that begins to, until the guard is
    /// dropped.
    pub(crate) fn want(&self) -> Wanted<'_> {
        self.is_wanted.store(true, Ordering::Release);
        self.turn.notify_one();
        Wanted(self)
    }

    /// Resolves when whoever waits for this is to go. One that is dropped, because its peer has
    /// asked for something, leaves its turn to the next.
    pub(crate) async fn is_to_go(&self) {
        loop {
            self.turn.notified().await;
            if self.is_wanted.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// A place is wanted.
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
    fn who_waits_for_longest_goes_first_and_nobody_who_is_not_wanted_to() {
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
