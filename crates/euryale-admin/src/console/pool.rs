//! Commands about a pool.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::BoxError;
use euryale_core::pool::{Holder, PoolControl, Waiter};

use crate::commands::Commands;

/// The maximum number of connections that a command can set.
const MOST: usize = 4096;

/// The maximum number of waiting jobs in a dump. The oldest ones show why the others wait.
const NAMED: usize = 100;

/// Returns the pool once it is open.
pub(crate) type FindPool = dyn Fn() -> Option<Arc<dyn PoolControl>> + Send + Sync;

/// The commands that change the pool.
pub(crate) fn commands(find: &Arc<FindPool>) -> Commands {
    let pool = opened(find);
    let restricted = opened(find);
    Commands::new()
        .verb(
            "resize N",
            "set the maximum number of connections",
            move |arguments| {
                let connections = number_of(arguments[0])?;
                pool()?.resize(connections);
                Ok(format!("at most {connections} connections"))
            },
        )
        .verb(
            "restrict LANE N",
            "set how many workers a lane may have",
            move |arguments| {
                let lane = arguments[0];
                let share = number_of(arguments[1])?;
                restricted()?.share(lane, share)?;
                Ok(format!("at most {share} workers for {lane}"))
            },
        )
}

fn opened(
    find: &Arc<FindPool>,
) -> impl Fn() -> Result<Arc<dyn PoolControl>, BoxError> + Send + Sync + use<> {
    let find = Arc::clone(find);
    move || find().ok_or_else(|| "no database is open: there are no workers yet".into())
}

fn number_of(text: &str) -> Result<usize, BoxError> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("{text} is not a number from 1 to {MOST}").into())
}

/// The state of the pool in a few lines.
pub(crate) fn status(pool: Option<&dyn PoolControl>) -> String {
    let Some(pool) = pool else {
        return "no database is open: there are no workers yet\n".to_owned();
    };
    let status = pool.status();
    let wait = status
        .oldest_wait
        .map(|wait| format!(", the oldest for {:?}", in_ms(wait)));
    let state = if status.is_closed { ", closed" } else { "" };
    format!(
        "workers: {} of {} busy, {} idle connections{state}\nqueue: {} jobs wait{}\nlanes: {}\n",
        status.running,
        status.cap,
        status.idle,
        status.queued,
        wait.unwrap_or_default(),
        pool.lanes().join(", "),
    )
}

/// Which jobs hold workers, and which wait.
pub(crate) fn jobs(pool: &dyn PoolControl) -> String {
    let status = pool.status();
    let waiters = pool.waiters(NAMED);
    let mut text = String::new();
    for holder in &status.holders {
        holds(&mut text, holder);
    }
    for waiter in &waiters {
        waits(&mut text, waiter);
    }
    let others = status.queued.saturating_sub(waiters.len());
    if others > 0 {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{others} others wait");
    }
    text
}

fn holds(text: &mut String, holder: &Holder) {
    let route = holder.route.as_ref().map_or("-", |route| route.name());
    let lane = holder.lane.as_deref().unwrap_or("default");
    let [age, waited] = [holder.age, holder.waited].map(in_ms);
    let Holder {
        attempt,
        pass,
        phase,
        ..
    } = holder;
    let _ = write!(
        text,
        "a job holds a worker route={route} lane={lane} phase={phase} age={age:?} \
         waited={waited:?} attempt={attempt} pass={pass}"
    );
    text.push_str(if holder.is_abandoned {
        " abandoned=true\n"
    } else {
        "\n"
    });
}

fn waits(text: &mut String, waiter: &Waiter) {
    let route = waiter.route.as_ref().map_or("-", |route| route.name());
    let lane = waiter.lane.as_deref().unwrap_or("default");
    let age = in_ms(waiter.age);
    let Waiter { attempt, pass, .. } = waiter;
    let _ = writeln!(
        text,
        "a job waits route={route} lane={lane} age={age:?} attempt={attempt} pass={pass}"
    );
}

/// Rounds to milliseconds, because finer units would only be noise.
fn in_ms(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
