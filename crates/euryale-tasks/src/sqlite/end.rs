//! Ends holds.

use std::time::Duration;

use euryale_core::BoxError;
use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, params};

use super::holder::{Holders, monotonic};
use super::state::{DEAD, DELAYED, DUE, milliseconds, now};
use crate::backoff;
use crate::payload::TaskId;
use crate::table::{Done, Failure, Held, Next, RescuedTask};

/// What operators read about a task whose process has ended.
const ENDED: &str = "its process ended, or did not end the run in time";

pub(super) fn acknowledge(
    connection: &mut Connection,
    held: Held,
    done: &Done<'_>,
) -> Result<bool, BoxError> {
    let Held { id, token } = held;
    let id = id.get();
    let changed = match done {
        Done::Step(step) => connection
            .prepare_cached(
                "UPDATE euryale_task SET cursor = ?3, token = ?4, held_until = ?5, attempt = 1, \
                    error = NULL WHERE id = ?1 AND token = ?2",
            )?
            .execute(params![
                id,
                token,
                step.cursor,
                step.token,
                monotonic().saturating_add(milliseconds(step.hold))
            ])?,
        Done::Complete(outcome) => {
            let deleted = connection
                .prepare_cached(
                    "DELETE FROM euryale_task WHERE id = ?1 AND token = ?2 AND again IS NULL \
                        AND keep IS NULL",
                )?
                .execute(params![id, token])?;
            if deleted > 0 {
                return Ok(true);
            }
            let now = now();
            connection
                .prepare_cached(
                    "UPDATE euryale_task SET \
                        state = CASE WHEN again IS NULL THEN 4 \
                            WHEN again_at IS NULL THEN 0 ELSE 1 END, \
                        at = CASE WHEN again IS NULL THEN ?3 + keep ELSE ifnull(again_at, ?3) END, \
                        outcome = CASE WHEN again IS NULL THEN ?4 END, \
                        payload = ifnull(again, payload), again = NULL, again_at = NULL, \
                        attempt = CASE WHEN again IS NULL THEN attempt ELSE 0 END, \
                        cursor = NULL, token = NULL, holder = NULL, held_until = NULL, \
                        error = NULL WHERE id = ?1 AND token = ?2",
                )?
                .execute(params![id, token, now, outcome])?
        }
    };
    Ok(changed > 0)
}

pub(super) fn fail(
    connection: &mut Connection,
    held: Held,
    failure: &Failure<'_>,
) -> Result<bool, BoxError> {
    let now = now();
    let (state, at, uncounted) = match failure.next {
        Next::Retry(after) => (DELAYED, now.saturating_add(milliseconds(after)), 0),
        Next::GiveBack(Duration::ZERO) => (DUE, now, 1),
        Next::GiveBack(after) => (DELAYED, now.saturating_add(milliseconds(after)), 1),
        Next::Dead => (DEAD, now, 0),
    };
    end_hold(connection, held, (state, at), uncounted, failure.error)
}

/// Ends a hold without a success. A task that was added again runs again with its new payload, and
/// its attempts begin again.
fn end_hold(
    connection: &mut Connection,
    held: Held,
    (state, at): (i64, i64),
    uncounted: i64,
    error: Option<&str>,
) -> Result<bool, BoxError> {
    let changed = connection
        .prepare_cached(
            "UPDATE euryale_task SET \
                state = CASE WHEN again IS NULL THEN ?3 ELSE 1 END, \
                at = CASE WHEN again IS NULL OR ?3 < 3 THEN max(?4, ifnull(again_at, 0)) \
                    ELSE ifnull(again_at, ?4) END, \
                attempt = CASE WHEN again IS NULL THEN attempt - ?5 ELSE 0 END, \
                cursor = CASE WHEN again IS NULL THEN cursor END, \
                payload = ifnull(again, payload), again = NULL, again_at = NULL, \
                token = NULL, holder = NULL, held_until = NULL, error = ifnull(?6, error) \
                WHERE id = ?1 AND token = ?2",
        )?
        .execute(params![
            held.id.get(),
            held.token,
            state,
            at,
            uncounted,
            error
        ])?;
    Ok(changed > 0)
}

pub(super) fn needs_rescue(
    connection: &mut Connection,
    holders: &Holders,
) -> Result<bool, BoxError> {
    let is_expired: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT * FROM euryale_task WHERE state = 2 AND held_until <= ?1)",
        )?
        .query_row([monotonic()], |row| row.get(0))?;
    Ok(is_expired || !ended_holders(connection, holders)?.is_empty())
}

/// Returns the names of processes that hold tasks and have ended.
fn ended_holders(connection: &mut Connection, holders: &Holders) -> Result<Vec<String>, BoxError> {
    let mut names = connection
        .prepare_cached("SELECT DISTINCT holder FROM euryale_task WHERE state = 2")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    names.retain(|name| holders.has_ended(name));
    Ok(names)
}

pub(super) fn rescue(
    connection: &mut Connection,
    holders: &Holders,
) -> Result<Vec<RescuedTask>, BoxError> {
    let ended = ended_holders(connection, holders)?;
    let mut lost = connection
        .prepare_cached(
            "SELECT id, token, kind, attempt, attempts, again IS NOT NULL FROM euryale_task \
                WHERE state = 2 AND held_until <= ?1",
        )?
        .query_map([monotonic()], lost_task)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for holder in &ended {
        let of_holder = connection
            .prepare_cached(
                "SELECT id, token, kind, attempt, attempts, again IS NOT NULL FROM euryale_task \
                    WHERE state = 2 AND holder = ?1",
            )?
            .query_map([holder], lost_task)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        lost.extend(of_holder);
    }
    let now = now();
    let mut rescued = Vec::new();
    for Lost {
        token,
        attempts,
        is_again,
        task,
    } in lost
    {
        let is_over = task.attempt >= attempts;
        let next = match backoff::after_rescue(task.attempt) {
            _ if is_over => (DEAD, now),
            Duration::ZERO => (DUE, now),
            after => (DELAYED, now.saturating_add(milliseconds(after))),
        };
        let held = Held { id: task.id, token };
        // A task may be in both lists; the second time it is not held any more.
        if end_hold(connection, held, next, 0, Some(ENDED))? {
            rescued.push(RescuedTask {
                is_dead: is_over && !is_again,
                ..task
            });
        }
    }
    // The transaction may still be rolled back. The tasks are then found by their missing file.
    ended.iter().for_each(|holder| holders.remove(holder));
    Ok(rescued)
}

/// A task whose hold has ended without its run.
struct Lost {
    token: i64,
    attempts: u32,
    is_again: bool,
    task: RescuedTask,
}

fn lost_task(row: &rusqlite::Row<'_>) -> rusqlite::Result<Lost> {
    Ok(Lost {
        token: row.get(1)?,
        attempts: row.get(4)?,
        is_again: row.get(5)?,
        task: RescuedTask {
            id: TaskId::new(row.get(0)?),
            kind: row.get(2)?,
            attempt: row.get(3)?,
            is_dead: false,
        },
    })
}
