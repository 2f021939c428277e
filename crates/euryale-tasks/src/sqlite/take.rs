//! Looks for tasks and takes them.

use std::time::Duration;

use euryale_core::BoxError;
use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, OptionalExtension, params};

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
    let groups = due_groups(connection, wanted)?;
    // Outcomes whose time is over are deleted by the next take.
    let is_due = next.is_some_and(|at| at <= now)
        || expired.is_some_and(|at| at <= now)
        || first_due(connection, &groups)?.is_some();
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
    let groups = due_groups(connection, wanted)?;
    let mut taken = Vec::new();
    // One after the other, because a limit counts those that are held already.
    while taken.len() < wanted.most
        && let Some(id) = first_due(connection, &groups)?
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

/// The queues and kinds of due tasks that this process may take. Each is found by one step in the
/// index, so tasks of paused queues and of unknown kinds cost nothing, however many they are.
fn due_groups(
    connection: &mut Connection,
    wanted: &Wanted<'_>,
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut groups = Vec::new();
    let mut next = connection.prepare_cached(
        "SELECT queue, kind FROM euryale_task WHERE state = 0 AND (queue, kind) > (?1, ?2) \
            ORDER BY queue, kind LIMIT 1",
    )?;
    let mut is_paused = connection
        .prepare_cached("SELECT EXISTS (SELECT * FROM euryale_task_paused WHERE queue = ?1)")?;
    let mut last = (String::new(), String::new());
    while let Some(group) = next
        .query_row([&last.0, &last.1], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
    {
        let (queue, kind): &(String, String) = &group;
        let is_known = wanted.kinds.contains(&kind.as_str());
        let is_wanted = wanted.queues.is_none_or(|queues| queues.contains(queue));
        if is_known && is_wanted && !is_paused.query_row([queue], |row| row.get(0))? {
            groups.push(group.clone());
        }
        last = group;
    }
    Ok(groups)
}

/// Returns the due task with the greatest priority in these groups, and of those the oldest.
fn first_due(
    connection: &mut Connection,
    groups: &[(String, String)],
) -> rusqlite::Result<Option<i64>> {
    let mut first = connection.prepare_cached(
        "SELECT priority, id FROM euryale_task task WHERE state = 0 AND queue = ?1 AND kind = ?2 \
            AND (limit_key IS NULL OR limit_most > (SELECT count(*) FROM euryale_task other \
                WHERE other.state = 2 AND other.limit_key = task.limit_key)) \
            ORDER BY priority DESC, id LIMIT 1",
    )?;
    let mut best: Option<(i64, i64)> = None;
    for (queue, kind) in groups {
        let found: Option<(i64, i64)> = first
            .query_row([queue, kind], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        best = match (best, found) {
            (Some(best), Some(found)) if (-found.0, found.1) >= (-best.0, best.1) => Some(best),
            (best, found) => found.or(best),
        };
    }
    Ok(best.map(|(_, id)| id))
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

fn since(at: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now - at).unwrap_or_default())
}
