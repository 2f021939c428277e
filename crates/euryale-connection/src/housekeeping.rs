//! Housekeeping: idle connections are closed when their time is over, jobs that wait or take long
//! are named in the log, and those whose deadline has passed are stopped.
//!
//! A task on the runtime that the pool is used from. The worker that brings something to look after
//! starts it; it sleeps until the earliest moment at which something is due, looks, and ends when
//! it finds nothing to look after. So it costs a busy pool a wake-up now and then, and an idle one
//! nothing.
//!
//! While it sleeps it has no handle to the pool, and it never holds a permit: connections are
//! dropped in workers, and when none comes by itself it sends for one. When its runtime ends, the
//! next worker starts another one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use euryale_core::{Database, PanicMessage, Stopped};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::pool::{About, Holder, Idle, Queued, Shared, State, in_ms};
use crate::queue::{self, Then};

/// A worker was sent for, or all are busy: so long until the next look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A task that is late by this much is on a runtime that nobody drives any more.
const LOST: Duration = Duration::from_secs(5);

/// What the pool knows of its housekeeping, under its lock.
#[derive(Default)]
pub(crate) struct Keeper {
    shift: Option<Shift>,
    is_off: bool,
}

/// One life of the task.
struct Shift {
    /// When it looks next.
    due: Instant,
    /// Wakes it; tells it from others, too.
    woken: Arc<Notify>,
}

/// Who must be told that there is something to look after, when the pool's lock is given back.
#[must_use]
pub(crate) enum Call {
    Nobody,
    /// A task, that has to be started, and sleeps until something is due.
    Start(Arc<Notify>, Instant),
    /// The task, that would sleep for too long.
    Wake(Arc<Notify>),
}

impl Keeper {
    /// Something is due then.
    fn expect(&mut self, due: Instant, now: Instant) -> Call {
        match &mut self.shift {
            Some(shift) if now.saturating_duration_since(shift.due) < LOST => {
                if due >= shift.due {
                    return Call::Nobody;
                }
                shift.due = due;
                Call::Wake(Arc::clone(&shift.woken))
            }
            _ if self.is_off => Call::Nobody,
            shift => {
                let woken = Arc::new(Notify::new());
                *shift = Some(Shift {
                    due,
                    woken: Arc::clone(&woken),
                });
                Call::Start(woken, due)
            }
        }
    }

    /// Is this the shift of whoever is woken so?
    fn is_on(&self, woken: &Arc<Notify>) -> bool {
        self.shift
            .as_ref()
            .is_some_and(|shift| Arc::ptr_eq(&shift.woken, woken))
    }
}

impl<D: Database> Shared<D> {
    /// A job is queued, or begins and is stopped at `until`.
    pub(crate) fn look_after_job(
        &self,
        state: &mut State<D>,
        now: Instant,
        until: Option<Instant>,
    ) -> Call {
        let late = self.warn_after.and_then(|age| now.checked_add(age));
        let due = late.into_iter().chain(until).min();
        due.map_or(Call::Nobody, |due| state.keeper.expect(due, now))
    }

    /// A connection becomes idle.
    pub(crate) fn look_after_idle(
        &self,
        state: &mut State<D>,
        idle: &Idle<D::Connection>,
        now: Instant,
    ) -> Call {
        self.expiry(idle)
            .map_or(Call::Nobody, |due| state.keeper.expect(due, now))
    }

    pub(crate) fn call(self: &Arc<Self>, call: Call) {
        match call {
            Call::Nobody => {}
            Call::Start(woken, due) => {
                let task = Task {
                    pool: Arc::downgrade(self),
                    woken,
                };
                // Without a runtime, or on one that is about to end, the task is dropped, and its
                // shift ends.
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(task.run(due));
                }
            }
            Call::Wake(woken) => woken.notify_one(),
        }
    }

    /// There is nothing to look after any more, or will not be in a moment: the task does not sleep
    /// until it finds out.
    pub(crate) fn dismiss(&self) {
        let woken = self
            .lock()
            .keeper
            .shift
            .as_ref()
            .map(|shift| Arc::clone(&shift.woken));
        if let Some(woken) = woken {
            woken.notify_one();
        }
    }

    /// Sees to what is due. When to look again; `None` when there is nothing to look after.
    fn look(self: &Arc<Self>, woken: &Arc<Notify>) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.lock();
        let State {
            queue,
            idle,
            seats,
            keeper,
            ..
        } = &mut *state;
        if !keeper.is_on(woken) {
            return None;
        }
        let mut then = Then::Wait;
        // What is idle in a pool that closes is dropped by who closes it.
        let first = idle
            .iter()
            .filter(|_| !queue.is_closed())
            .filter_map(|idle| self.expiry(idle))
            .min();
        let mut next = first;
        if first.is_some_and(|first| first <= now) {
            then = queue.send_for_one();
            next = Some(now + LOOK_AGAIN);
        }
        let mut long = Vec::new();
        let mut over = Vec::new();
        for (running, phase) in seats.iter_mut() {
            match running.until {
                Some(until) if until <= now => {
                    running.until = None;
                    over.push(Arc::clone(&running.job));
                }
                until => next = next.into_iter().chain(until).min(),
            }
            if running.is_logged {
                continue;
            }
            match self
                .warn_after
                .and_then(|age| running.since.checked_add(age))
            {
                Some(due) if due <= now => {
                    running.is_logged = true;
                    long.push(self.holder(running, phase, now));
                }
                due => next = next.into_iter().chain(due).min(),
            }
        }
        let mut late = Late::default();
        if let Some(before) = self
            .warn_after
            .and_then(|age| now.into_std().checked_sub(age))
        {
            let first = queue.tell_late(before, |job| late.add(job, now, &self.lanes));
            // Many that come one after the other are told of together.
            let due =
                first.and_then(|since| Instant::from_std(since).checked_add(self.warn_after?));
            next = next
                .into_iter()
                .chain(due.map(|due| due.max(now + LOOK_AGAIN)))
                .min();
        }
        keeper.shift = next.map(|due| Shift {
            due,
            woken: Arc::clone(woken),
        });
        drop(state);
        self.summon(then);
        for job in over {
            quietly(|| job.stop(Stopped::Deadline));
        }
        for holder in &long {
            quietly(|| warn(holder));
        }
        quietly(|| late.warn());
        next
    }
}

/// Runs code that writes to the log. The subscriber is the program's own: if it panics, the task
/// that enforces the deadlines must go on. The panic hook has reported the panic already.
fn quietly<T>(logging: impl FnOnce() -> T) {
    drop(PanicMessage::catch(logging));
}

/// What a job does that waits, where others have a [`Phase`](euryale_core::Phase).
pub(crate) const QUEUED: &str = "queued";

/// Jobs that have waited for long.
#[derive(Default)]
struct Late {
    named: Vec<(Arc<str>, About, Duration)>,
    others: usize,
}

impl Late {
    /// So many are named at a time. When everything waits, hundreds of lines say no more than ten.
    const NAMED: usize = 10;

    fn add<D: Database>(
        &mut self,
        late: &queue::Late<'_, Queued<D>>,
        now: Instant,
        lanes: &[Arc<str>],
    ) {
        if self.named.len() == Self::NAMED {
            self.others += 1;
            return;
        }
        let age = now.into_std().saturating_duration_since(late.since);
        self.named.push((
            Arc::clone(&lanes[usize::from(late.lane)]),
            late.job.about.clone(),
            age,
        ));
    }

    fn warn(&self) {
        for (lane, about, age) in &self.named {
            let route = about.route.as_ref().map(tracing::field::display);
            let attempt = about.history.conflicts + 1;
            let pass = about.history.suspensions + 1;
            let lane = &**lane;
            let age = in_ms(*age);
            tracing::warn!(route, lane, phase = %QUEUED, ?age, attempt, pass, "a job waits long \
                for a worker");
        }
        if self.others > 0 {
            tracing::warn!(jobs = self.others, phase = %QUEUED, "others wait as long");
        }
    }
}

fn warn(holder: &Holder) {
    let Holder {
        lane,
        route,
        attempt,
        pass,
        phase,
        age,
        waited,
        is_abandoned: _,
    } = holder;
    let lane = lane.as_deref().unwrap_or("default");
    let route = route.as_ref().map(tracing::field::display);
    let [age, waited] = [age, waited].map(|time| in_ms(*time));
    tracing::warn!(
        route,
        lane,
        %phase,
        ?age,
        ?waited,
        attempt,
        pass,
        "a job takes long, and still holds its worker"
    );
}

/// The task.
struct Task<D: Database> {
    pool: Weak<Shared<D>>,
    woken: Arc<Notify>,
}

impl<D: Database> Task<D> {
    /// It sleeps first: what it was started for is over when it is due, mostly, and had better not
    /// start another one each time.
    async fn run(self, due: Instant) {
        let mut due = Some(due);
        while let Some(moment) = due {
            // Elapsed or woken: a look in either case.
            let _ = tokio::time::timeout_at(moment, self.woken.notified()).await;
            due = self.look();
        }
    }

    fn look(&self) -> Option<Instant> {
        self.pool.upgrade()?.look(&self.woken)
    }
}

impl<D: Database> Drop for Task<D> {
    /// It ended, or its runtime did, or it panicked: the runtime has no timer.
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let is_off = std::thread::panicking();
        let mut state = pool.lock();
        if state.keeper.is_on(&self.woken) {
            state.keeper.shift = None;
            state.keeper.is_off = is_off;
        }
        drop(state);
        if is_off {
            quietly(|| {
                tracing::warn!(
                    "no housekeeping, as on a runtime without a timer: transactions whose \
                     deadline has passed go on until they would commit, connections whose time is \
                     over stay open until their turn comes, and jobs that take long are not named"
                );
            });
        }
    }
}
