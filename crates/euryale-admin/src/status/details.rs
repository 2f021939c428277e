//! Data for the status page that only the program has.

use std::time::Duration;

use euryale_core::pool::{Holder, PoolControl};

/// Data that a program adds to the status page of [`Admin::status`](crate::Admin::status): from its
/// pool, and about its own parts.
///
/// All text is escaped. It is shown to operators, so it should name no users, and no paths that
/// clients chose; use the names of routes instead.
///
/// ```
/// use std::time::Duration;
/// use euryale_admin::{Held, StatusDetails};
///
/// let details = StatusDetails::new()
///     .oldest_wait(Duration::from_millis(12))
///     .held(Held::new(Duration::from_secs(3)).route("/orders/{id}").phase("committing"))
///     .fact("Theme", "Version", "3f2a")
///     .alarm("Theme", "Error", "rules.xml:3: no such element");
/// # drop(details);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct StatusDetails {
    pub(super) oldest_wait: Option<Duration>,
    pub(super) held: Vec<Held>,
    pub(super) facts: Vec<Fact>,
}

impl StatusDetails {
    /// Creates an empty set of details.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long the oldest waiting job has waited for a worker; `None` if no job waits.
    pub fn oldest_wait(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.oldest_wait = wait.into();
        self
    }

    /// Adds the status of `pool`: the jobs that hold its workers, and the wait of the oldest job in
    /// its queue.
    pub fn pool(self, pool: &dyn PoolControl) -> Self {
        let status = pool.status();
        let wait = self.oldest_wait.max(status.oldest_wait);
        let details = self.oldest_wait(wait);
        let held = status.holders.iter().map(Held::from);
        held.fold(details, StatusDetails::held)
    }

    /// Adds a request that holds a worker. The 50 oldest are shown, in the order of their ages.
    pub fn held(mut self, held: Held) -> Self {
        self.held.push(held);
        self
    }

    /// Adds a line about one of the program's own parts: the part, the property, and its value.
    pub fn fact(
        self,
        group: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.line(group.into(), name.into(), value.into(), false)
    }

    /// Adds a [`fact`](Self::fact) that needs an operator's attention.
    pub fn alarm(
        self,
        group: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.line(group.into(), name.into(), value.into(), true)
    }

    fn line(mut self, group: String, name: String, value: String, is_alarm: bool) -> Self {
        self.facts.push(Fact {
            group,
            name,
            value,
            is_alarm,
        });
        self
    }
}

/// A request that holds a worker.
#[derive(Clone, Debug)]
#[must_use]
pub struct Held {
    pub(super) age: Duration,
    pub(super) waited: Option<Duration>,
    pub(super) route: Option<String>,
    pub(super) lane: Option<String>,
    pub(super) phase: Option<String>,
    pub(super) attempt: u32,
    pub(super) pass: u32,
}

impl Held {
    /// Creates an entry for a request that has run for this time.
    pub fn new(age: Duration) -> Self {
        Self {
            age,
            waited: None,
            route: None,
            lane: None,
            phase: None,
            attempt: 1,
            pass: 1,
        }
    }

    /// Sets how long the request waited for its worker.
    pub fn waited(mut self, waited: Duration) -> Self {
        self.waited = Some(waited);
        self
    }

    /// Sets the name of its route.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Sets the name of its lane.
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = Some(lane.into());
        self
    }

    /// Sets its current phase.
    pub fn phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = Some(phase.into());
        self
    }

    /// Sets its attempt, which grows with conflicts, and its pass, which grows with suspensions;
    /// both start at 1.
    pub fn attempt(mut self, attempt: u32, pass: u32) -> Self {
        self.attempt = attempt;
        self.pass = pass;
        self
    }
}

impl From<&Holder> for Held {
    fn from(holder: &Holder) -> Self {
        Self {
            age: holder.age,
            waited: Some(holder.waited),
            route: holder.route.as_ref().map(|route| route.name().to_owned()),
            lane: holder.lane.as_deref().map(str::to_owned),
            phase: Some(holder.phase.name().to_owned()),
            attempt: holder.attempt,
            pass: holder.pass,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) is_alarm: bool,
}
