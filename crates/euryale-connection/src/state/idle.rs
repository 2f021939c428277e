//! Idle connections.

use std::time::Duration;

use tokio::time::Instant;

/// An open connection that no worker uses.
pub(crate) struct Idle<C> {
    pub(crate) connection: C,
    pub(crate) warmth: u64,
    pub(crate) opened: Instant,
    pub(crate) since: Instant,
}

/// The ages at which connections are closed.
pub(crate) struct Ages {
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
}

impl Ages {
    /// Returns the time at which an idle connection expires.
    pub(crate) fn expiry<C>(&self, idle: &Idle<C>) -> Option<Instant> {
        let idle_for_long = self
            .idle_timeout
            .and_then(|most| idle.since.checked_add(most));
        let of_age = self
            .max_lifetime
            .and_then(|most| idle.opened.checked_add(most));
        idle_for_long.into_iter().chain(of_age).min()
    }

    /// Returns whether an idle connection has expired.
    pub(crate) fn are_over<C>(&self, idle: &Idle<C>, now: Instant) -> bool {
        self.expiry(idle).is_some_and(|expiry| expiry <= now)
    }

    /// Returns whether a connection that was opened at this time is too old for another job.
    pub(crate) fn is_lifetime_over(&self, opened: Instant) -> bool {
        self.max_lifetime
            .is_some_and(|most| opened.elapsed() >= most)
    }
}

/// The idle connections of a pool, in the order in which they were last used.
pub(crate) struct IdleConnections<C>(Vec<Idle<C>>);

impl<C> IdleConnections<C> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn put_back(&mut self, idle: Idle<C>) {
        self.0.push(idle);
    }

    /// Removes and returns the connection with the fullest caches. Of equal ones it is the one used
    /// last.
    pub(super) fn take_warmest(&mut self) -> Option<Idle<C>> {
        let warmest = self
            .0
            .iter()
            .enumerate()
            .max_by_key(|(index, idle)| (idle.warmth, *index))?
            .0;
        Some(self.0.remove(warmest))
    }

    /// Removes and returns the connection with the emptiest caches.
    pub(super) fn take_coldest(&mut self) -> Option<Idle<C>> {
        let coldest = self
            .0
            .iter()
            .enumerate()
            .min_by_key(|(_, idle)| idle.warmth)?
            .0;
        Some(self.0.remove(coldest))
    }

    /// Removes and returns an expired connection.
    pub(super) fn take_expired(&mut self, ages: &Ages, now: Instant) -> Option<Idle<C>> {
        let at = self.0.iter().position(|idle| ages.are_over(idle, now))?;
        Some(self.0.remove(at))
    }

    pub(super) fn take_all(&mut self) -> Vec<Idle<C>> {
        std::mem::take(&mut self.0)
    }

    /// Returns the time at which the first connection expires.
    pub(crate) fn first_expiry(&self, ages: &Ages) -> Option<Instant> {
        self.0.iter().filter_map(|idle| ages.expiry(idle)).min()
    }
}
