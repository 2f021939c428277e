//! Ends holds.

use std::time::Duration;

use euryale_core::BoxError;
use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, params};

use super::holder::{Holders, monotonic};
use super::state::{DEAD, DELAYED, DUE, milliseconds, now};
use crate::backoff;
use crate::payload::TaskId;
use crate::table::{Done, Failure, Held, Next, Rescued};

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
        Done::Step(cursor, hold) => connection
            .prepare_cached(
                "UPDATE euryale_task SET cursor = ?3, held_until = ?4, attempt = 1, error = NULL \
                    WHERE id = ?1 AND token = ?2",
            )?
            .execute(params![
                id,
                token,
                cursor,
                monotonic().saturating_add(milliseconds(*hold))
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
    let mut failed = None;
    names.retain(|name| match holders.has_ended(name) {
        Ok(has_ended) => has_ended,
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    match failed {
        Some(error) if names.is_empty() => Err(error.into()),
        _ => Ok(names),
    }
}

pub(super) fn rescue(connection: &mut Connection, holders: &Holders) -> Result<Rescued, BoxError> {
    let ended = ended_holders(connection, holders)?;
    let mut lost = connection
        .prepare_cached(
            "SELECT id, token, attempt, attempts FROM euryale_task \
                WHERE state = 2 AND held_until <= ?1",
        )?
        .query_map([monotonic()], lost_task)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for holder in &ended {
        let of_holder = connection
            .prepare_cached(
                "SELECT id, token, attempt, attempts FROM euryale_task \
                    WHERE state = 2 AND holder = ?1",
            )?
            .query_map([holder], lost_task)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        lost.extend(of_holder);
    }
    let now = now();
    let mut again = 0;
    let mut dead = 0;
    for (held, attempt, attempts) in lost {
        let is_over = attempt >= attempts;
        let after = backoff::after_rescue(attempt);
        let next = match after {
            _ if is_over => (DEAD, now),
            Duration::ZERO => (DUE, now),
            after => (DELAYED, now.saturating_add(milliseconds(after))),
        };
        // A task may be in both lists; the second time it is not held any more.
        if end_hold(connection, held, next, 0, Some(ENDED))? {
            if is_over { dead += 1 } else { again += 1 }
        }
    }
    // The transaction may still be rolled back. The tasks are then found by their missing file.
    ended.iter().for_each(|holder| holders.remove(holder));
    Ok(Rescued::new(again, dead))
}

fn lost_task(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Held, u32, u32)> {
    let held = Held {
        id: TaskId::new(row.get(0)?),
        token: row.get(1)?,
    };
    Ok((held, row.get(2)?, row.get(3)?))
}
