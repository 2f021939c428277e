//! Adds tasks.

use euryale_core::BoxError;
use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{OptionalExtension, params};

use super::state::{DELAYED, HELD, due, milliseconds};
use crate::enqueue::{Added, IfThere};
use crate::payload::TaskId;
use crate::table::NewTask;

pub(super) fn add(connection: &mut Connection, task: &NewTask<'_>) -> Result<Added, BoxError> {
    if let Some(key) = task.key {
        let found: Option<(i64, i64)> = connection
            .prepare_cached(
                "SELECT id, state FROM euryale_task WHERE kind = ?1 AND key = ?2 AND state < 3",
            )?
            .query_row(params![task.kind, key], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        if let Some((id, state)) = found {
            return add_again(connection, task, id, state);
        }
    }
    let (state, at) = due(task.when);
    let mut insert = connection.prepare_cached(
        "INSERT INTO euryale_task (id, state, queue, kind, payload, priority, at, attempt, \
            attempts, key, limit_key, limit_most, keep) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12) \
            ON CONFLICT (id) DO NOTHING",
    )?;
    let mut id = task.id.get();
    // Another process may have chosen the same id.
    while insert.execute(params![
        id,
        state,
        task.queue,
        task.kind,
        task.payload,
        task.priority,
        at,
        task.attempts,
        task.key,
        task.limit.map(|(key, _)| key),
        task.limit.map(|(_, most)| most),
        task.keep_outcome.map(milliseconds),
    ])? == 0
    {
        id += 1;
    }
    Ok(Added::New(TaskId::new(id)))
}

/// Adds a task whose key is that of `id`, which has not ended.
fn add_again(
    connection: &mut Connection,
    task: &NewTask<'_>,
    id: i64,
    state: i64,
) -> Result<Added, BoxError> {
    let (next, at) = due(task.when);
    match (task.if_there, state) {
        (IfThere::Replace | IfThere::Again, HELD) => {
            let again_at = (next == DELAYED).then_some(at);
            connection
                .prepare_cached("UPDATE euryale_task SET again = ?2, again_at = ?3 WHERE id = ?1")?
                .execute(params![id, task.payload, again_at])?;
            Ok(Added::Again(TaskId::new(id)))
        }
        (IfThere::Keep, _) | (IfThere::Again, _) => Ok(Added::Kept(TaskId::new(id))),
        (IfThere::Replace, _) => {
            let mut replace = connection.prepare_cached(
                "UPDATE euryale_task SET state = ?2, queue = ?3, payload = ?4, priority = ?5, \
                    at = ?6, attempt = 0, attempts = ?7, limit_key = ?8, limit_most = ?9, \
                    keep = ?10, cursor = NULL, error = NULL WHERE id = ?1",
            )?;
            replace.execute(params![
                id,
                next,
                task.queue,
                task.payload,
                task.priority,
                at,
                task.attempts,
                task.limit.map(|(key, _)| key),
                task.limit.map(|(_, most)| most),
                task.keep_outcome.map(milliseconds),
            ])?;
            Ok(Added::Replaced(TaskId::new(id)))
        }
    }
}
