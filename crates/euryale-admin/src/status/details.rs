//! Data that only the program has.

use std::time::Duration;

use euryale_core::pool::{Holder, PoolControl};

/// Data that a program adds to the status page of [`Admin::status`](crate::Admin::status): from its
/// pool, and about its own parts.
///
/// Whatever text is in it is escaped. It is shown to operators, so it had better name no user, and
/// no path that a client chose: routes have names.
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
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// For how long the oldest of the jobs that wait for a worker has waited; `None` when none
    /// does.
    pub fn oldest_wait(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.oldest_wait = wait.into();
        self
    }

    /// What `pool` says of itself: the jobs that hold its workers, and the wait of the oldest job
    /// in its queue.
    pub fn pool(self, pool: &dyn PoolControl) -> Self {
        let status = pool.status();
        let wait = self.oldest_wait.max(status.oldest_wait);
        let details = self.oldest_wait(wait);
        let held = status.holders.iter().map(Held::from);
        held.fold(details, StatusDetails::held)
    }

    /// A request that holds a worker. They are shown in the order of their ages, the first 50.
    pub fn held(mut self, held: Held) -> Self {
        self.held.push(held);
        self
    }

    /// A line about one of the program's own parts: which part, what of it, and how it stands.
    pub fn fact(
        self,
        group: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.line(group.into(), name.into(), value.into(), false)
    }

    /// A [`fact`](Self::fact) that somebody should look after.
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
    /// How long it has run.
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

    /// How long it waited for its worker before.
    pub fn waited(mut self, waited: Duration) -> Self {
        self.waited = Some(waited);
        self
    }

    /// The name of its route.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// The name of its lane.
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = Some(lane.into());
        self
    }

    /// What it does now.
    pub fn phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = Some(phase.into());
        self
    }

    /// Its attempt, which grows with conflicts, and its pass, which grows with suspensions; both
    /// from 1.
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
