//! Looks for tasks and takes them.

use std::time::Duration;

use euryale_core::BoxError;
use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, OptionalExtension, params, params_from_iter};

use super::holder::monotonic;
use super::state::{DEAD, DONE, milliseconds, now};
use crate::payload::TaskId;
use crate::table::{Held, Looked, TakenTask, TaskEnd, Wanted};

/// The maximum number of rows in other states that one take changes.
const BATCH: i64 = 500;

pub(super) fn look(connection: &mut Connection, wanted: &Wanted<'_>) -> Result<Looked, BoxError> {
    let now = now();
    let expired: Option<i64> = connection
        .prepare_cached("SELECT min(at) FROM euryale_task WHERE state = 4")?
        .query_row([], |row| row.get(0))?;
    let next: Option<i64> = connection
        .prepare_cached("SELECT min(at) FROM euryale_task WHERE state = 1")?
        .query_row([], |row| row.get(0))?;
    // Outcomes whose time is over are deleted by the next take.
    let is_due = next.is_some_and(|at| at <= now)
        || expired.is_some_and(|at| at <= now)
        || first_due(connection, wanted)?.is_some();
    let wait = next.map(|at| Duration::from_millis(u64::try_from(at - now).unwrap_or_default()));
    Ok(Looked::new(is_due, wait))
}

pub(super) fn take(
    connection: &mut Connection,
    wanted: &Wanted<'_>,
    holder: &str,
) -> Result<Vec<TakenTask>, BoxError> {
    let now = now();
    connection
        .prepare_cached(
            "UPDATE euryale_task SET state = 0 WHERE id IN \
                (SELECT id FROM euryale_task WHERE state = 1 AND at <= ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![now, BATCH])?;
    connection
        .prepare_cached(
            "DELETE FROM euryale_task WHERE id IN \
                (SELECT id FROM euryale_task WHERE state = 4 AND at <= ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![now, BATCH])?;
    let until = monotonic().saturating_add(milliseconds(wanted.hold));
    let mut taken = Vec::new();
    // One after the other, because a limit counts those that are held already.
    while taken.len() < wanted.most
        && let Some(id) = first_due(connection, wanted)?
    {
        let token = fastrand::i64(1..);
        let mut hold = connection.prepare_cached(
            "UPDATE euryale_task SET state = 2, token = ?2, holder = ?3, held_until = ?4, \
                attempt = attempt + 1 WHERE id = ?1 \
                RETURNING kind, queue, payload, attempt, attempts, cursor, keep IS NOT NULL, at",
        )?;
        let task = hold.query_row(params![id, token, holder, until], |row| {
            Ok(TakenTask {
                held: Held {
                    id: TaskId::new(id),
                    token,
                },
                kind: row.get(0)?,
                queue: row.get(1)?,
                payload: row.get(2)?,
                attempt: row.get(3)?,
                attempts: row.get(4)?,
                cursor: row.get(5)?,
                keeps_outcome: row.get(6)?,
                waited: since(row.get(7)?, now),
            })
        })?;
        taken.push(task);
    }
    Ok(taken)
}

/// Returns the due task with the greatest priority, and of those the oldest, that this process may
/// run.
fn first_due(connection: &mut Connection, wanted: &Wanted<'_>) -> rusqlite::Result<Option<i64>> {
    let kinds = wanted.kinds.iter().copied();
    let queues = wanted.queues.unwrap_or_default();
    let of_queue = match wanted.queues {
        Some(queues) => format!("AND queue IN ({})", places(queues.len())),
        None => String::new(),
    };
    // The text is the same in each call, so the statement stays prepared.
    let sql = format!(
        "SELECT id FROM euryale_task task WHERE state = 0 AND kind IN ({}) {of_queue} \
            AND queue NOT IN (SELECT queue FROM euryale_task_paused) \
            AND (limit_key IS NULL OR limit_most > (SELECT count(*) FROM euryale_task other \
                WHERE other.state = 2 AND other.limit_key = task.limit_key)) \
            ORDER BY priority DESC, id LIMIT 1",
        places(wanted.kinds.len())
    );
    let values = kinds.chain(queues.iter().map(String::as_str));
    connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))
        .optional()
}

/// Returns how these tasks have ended, as far as they have.
pub(super) fn ends(
    connection: &mut Connection,
    ids: &[TaskId],
) -> Result<Vec<(TaskId, TaskEnd)>, BoxError> {
    let mut select = connection
        .prepare_cached("SELECT state, outcome, error FROM euryale_task WHERE id = ?1")?;
    let mut ends = Vec::new();
    for id in ids {
        let row: Option<(i64, Option<String>, Option<String>)> = select
            .query_row([id.get()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let end = match row {
            None => TaskEnd::Complete(None),
            Some((DONE, outcome, _)) => TaskEnd::Complete(outcome),
            Some((DEAD, _, error)) => TaskEnd::Dead(error.unwrap_or_default()),
            Some(_) => continue,
        };
        ends.push((*id, end));
    }
    Ok(ends)
}

fn places(n: usize) -> String {
    vec!["?"; n].join(", ")
}

fn since(at: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now - at).unwrap_or_default())
}
