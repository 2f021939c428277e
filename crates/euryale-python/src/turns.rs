//! Which workers may call the application: one at a time, as long as it computes.
//!
//! Two threads that contend for the GIL are slower than one, and unfair: the one that ends a
//! request has it again before the other has woken up. So a worker does not take a job while
//! another one computes. The jobs stay in the pool's queue, and the worker that runs takes them one
//! after the other. As soon as it waits for something, such as a socket, a lock or the clock, the
//! next worker is let in.
//!
//! # Rules
//!
//! * A worker is *inside* while it runs jobs of the pool. Another one is let in once each of those
//!   inside sleeps, or has been in its call for [`ENOUGH`].
//! * A worker that ends a call leaves if another one inside does not sleep: the GIL has just been
//!   released, so a thread that waited for it is awake, and goes before.
//!
//! So nobody waits here for longer than [`ENOUGH`] while the others do not end their calls, and no
//! order of locks in an application leads to a deadlock that contending threads would not have. A
//! call that computes without the GIL has company after that time, as does one that holds it: the
//! interpreter lets threads switch at the same interval.
//!
//! Nothing announces that a thread falls asleep, so one idle thread is the *lookout*: it looks at
//! those inside every [`FIRST_LOOK`] where calls wait, and every [`LAST_LOOK`] where they compute.
//! It never takes the GIL.

mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_wsgi::Settings;

pub(crate) use self::watch::Watch;

/// A call of this length keeps no other worker out. It is the interpreter's switch interval
/// (`sys.getswitchinterval()`).
const ENOUGH: Duration = Duration::from_millis(5);

/// After a call of this length, no worker leaves in favour of it.
const LONG: Duration = Duration::from_millis(100);

/// The time between two looks after one that saw a thread sleep. Others double it. A thread that
/// sleeps in two looks is not merely between two instructions.
const FIRST_LOOK: Duration = Duration::from_micros(50);

/// The longest time between two looks.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// The number of others that a worker looks at when it ends a call.
const GLANCES: usize = 4;

/// How the threads of a server share the GIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Turns,
    /// They contend for it. Has the reason.
    Contention(String),
}

impl Sharing {
    /// Turns, if the settings say so and the kernel shows what threads do. Otherwise there is a
    /// line in the log.
    pub(crate) fn new(settings: &Settings) -> Self {
        if !settings.gil_turns {
            return Self::Contention("gil_turns is off".into());
        }
        match Watch::of_this_thread() {
            Ok(_) => Self::Turns,
            Err(error) => {
                tracing::warn!("gil_turns: threads contend for the GIL: {error}");
                Self::Contention(error)
            }
        }
    }
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turns => f.write_str("taken in turns"),
            Self::Contention(reason) => write!(f, "contended for: {reason}"),
        }
    }
}

/// The workers that are inside, by the number of their thread.
pub(crate) struct Inside {
    calls: BTreeMap<usize, Call>,
    /// The number of calls that have begun.
    begun: u64,
    /// The time until the next look.
    pause: Duration,
}

/// A worker that is inside.
struct Call {
    /// None if there was no descriptor for it: then it counts as computing.
    watch: Option<Arc<Watch>>,
    /// The beginning of its present call.
    since: Instant,
}

/// What keeps others out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing.
    Nobody,
    /// All that could sleep.
    Sleeping,
    Computing,
}

/// The thread that looks at those inside.
#[derive(Default)]
pub(crate) struct Lookout {
    saw_sleeping: bool,
    /// What [`Inside::begun`] was at the last look.
    begun: u64,
}

impl Lookout {
    /// Looks once: whether another worker may go inside.
    pub(crate) fn lets_in(&mut self, inside: &mut Inside) -> bool {
        self.begun = inside.begun;
        let found = inside.look();
        inside.pause = match found {
            Found::Sleeping => FIRST_LOOK,
            Found::Nobody | Found::Computing => (inside.pause * 2).min(LAST_LOOK),
        };
        let saw_sleeping = std::mem::replace(&mut self.saw_sleeping, found == Found::Sleeping);
        found == Found::Nobody || (saw_sleeping && self.saw_sleeping)
    }

    /// Whether calls have begun since the last look. If so, there may soon be another job.
    pub(crate) fn is_needed(&mut self, inside: &Inside) -> bool {
        std::mem::replace(&mut self.begun, inside.begun) != inside.begun
    }
}

impl Default for Inside {
    fn default() -> Self {
        Self {
            calls: BTreeMap::new(),
            begun: 0,
            pause: FIRST_LOOK,
        }
    }
}

impl Inside {
    /// The time until the lookout's next look.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// This worker runs jobs from now on.
    pub(crate) fn enter(&mut self, worker: usize, watch: Option<&Arc<Watch>>) {
        let since = Instant::now();
        let watch = watch.cloned();
        self.begun += 1;
        self.calls.insert(worker, Call { watch, since });
    }

    /// This worker runs no jobs for now.
    pub(crate) fn leave(&mut self, worker: usize) {
        self.calls.remove(&worker);
    }

    /// Whether this worker, which has ended a call and released the GIL, may take another job.
    pub(crate) fn goes_on(&mut self, worker: usize) -> bool {
        let now = Instant::now();
        self.begun += 1;
        if let Some(call) = self.calls.get_mut(&worker) {
            call.since = now;
        }
        if self.calls.len() < 2 {
            return true;
        }
        // Those after it first, so that many threads are all looked at in turn.
        let after = self.calls.range(worker + 1..);
        let others = after.chain(self.calls.range(..worker));
        let mut others = others.map(|(_, call)| call).take(GLANCES);
        others.all(|call| call.has_run(now, LONG) || call.sleeps())
    }

    fn look(&self) -> Found {
        let now = Instant::now();
        let mut found = Found::Nobody;
        for call in self.calls.values() {
            if call.has_run(now, ENOUGH) {
                continue;
            }
            if !call.sleeps() {
                return Found::Computing;
            }
            found = Found::Sleeping;
        }
        found
    }
}

impl Call {
    fn has_run(&self, now: Instant, time: Duration) -> bool {
        now.saturating_duration_since(self.since) >= time
    }

    fn sleeps(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.sleeps())
    }
}
