//! What operators ask and order.

use std::time::{Duration, UNIX_EPOCH};

use euryale_core::BoxError;
use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, OptionalExtension, Row, params};

use super::state::{DEAD, DELAYED, DONE, DUE, HELD, now};
use crate::payload::TaskId;
use crate::rows::{Retry, TaskCount, TaskRow, TaskState};

/// The columns of [`row`].
const COLUMNS: &str =
    "id, state, queue, kind, payload, priority, at, attempt, attempts, key, error";

pub(super) fn counts(connection: &mut Connection) -> Result<Vec<TaskCount>, BoxError> {
    let mut select = connection.prepare_cached(
        "SELECT queue, kind, state, count(*), queue IN (SELECT queue FROM euryale_task_paused) \
            FROM euryale_task GROUP BY queue, kind, state ORDER BY queue, kind, state",
    )?;
    let counts = select.query_map([], |row| {
        Ok(TaskCount {
            queue: row.get(0)?,
            kind: row.get(1)?,
            state: state(row.get(2)?),
            tasks: u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
            is_paused: row.get(4)?,
        })
    })?;
    Ok(counts.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn list(
    connection: &mut Connection,
    state: TaskState,
    most: usize,
) -> Result<Vec<TaskRow>, BoxError> {
    // The number of the state is part of the text, so that SQLite uses the index of this state.
    let (number, order) = match state {
        TaskState::Due => (DUE, "id"),
        TaskState::Delayed => (DELAYED, "at, id"),
        TaskState::Held => (HELD, "id"),
        TaskState::Dead => (DEAD, "at, id"),
        TaskState::Done => (DONE, "at, id"),
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM euryale_task WHERE state = {number} ORDER BY {order} LIMIT ?1"
    ))?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = select.query_map([most], row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn show(connection: &mut Connection, id: TaskId) -> Result<Option<TaskRow>, BoxError> {
    let select = format!("SELECT {COLUMNS} FROM euryale_task WHERE id = ?1");
    let mut select = connection.prepare_cached(&select)?;
    Ok(select.query_row([id.get()], row).optional()?)
}

pub(super) fn retry(connection: &mut Connection, id: TaskId) -> Result<Retry, BoxError> {
    let Some(task) = show(connection, id)? else {
        return Ok(Retry::NotFound);
    };
    if !matches!(task.state, TaskState::Dead | TaskState::Delayed) {
        return Ok(Retry::NotNeeded);
    }
    let other: Option<i64> = connection
        .prepare_cached(
            "SELECT id FROM euryale_task WHERE kind = ?1 AND key = ?2 AND state < 3 AND id <> ?3",
        )?
        .query_row(params![task.kind, task.key, id.get()], |row| row.get(0))
        .optional()?;
    if let Some(other) = other {
        return Ok(Retry::KeyTaken(TaskId::new(other)));
    }
    connection
        .prepare_cached("UPDATE euryale_task SET state = 0, at = ?2, attempt = 0 WHERE id = ?1")?
        .execute([id.get(), now()])?;
    Ok(Retry::Due)
}

pub(super) fn cancel(connection: &mut Connection, id: TaskId) -> Result<bool, BoxError> {
    let deleted = connection
        .prepare_cached("DELETE FROM euryale_task WHERE id = ?1")?
        .execute([id.get()])?;
    Ok(deleted > 0)
}

pub(super) fn pause(
    connection: &mut Connection,
    queue: &str,
    paused: bool,
) -> Result<bool, BoxError> {
    let change = if paused {
        "INSERT INTO euryale_task_paused VALUES (?1) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM euryale_task_paused WHERE queue = ?1"
    };
    Ok(connection.prepare_cached(change)?.execute([queue])? > 0)
}

fn row(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    let at: i64 = row.get(6)?;
    Ok(TaskRow {
        id: TaskId::new(row.get(0)?),
        state: state(row.get(1)?),
        queue: row.get(2)?,
        kind: row.get(3)?,
        payload: row.get(4)?,
        priority: row.get(5)?,
        at: UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default()),
        attempt: row.get(7)?,
        attempts: row.get(8)?,
        key: row.get(9)?,
        error: row.get(10)?,
    })
}

fn state(number: i64) -> TaskState {
    match number {
        DUE => TaskState::Due,
        DELAYED => TaskState::Delayed,
        HELD => TaskState::Held,
        DEAD => TaskState::Dead,
        _ => TaskState::Done,
    }
}
