//! The write set of a transaction.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::hooks::Action;

/// The rows that a transaction has written so far, by table.
///
/// It does not contain writes to tables without row ids, rows deleted by `REPLACE`, and a `DELETE`
/// of all rows of a table (<https://www.sqlite.org/c3ref/update_hook.html>);
/// [`has_written`](crate::Connection::has_written) includes them. Writes that were rolled back to a
/// savepoint are still in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSet {
    tables: BTreeMap<String, Rows>,
}

/// The number of written rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rows {
    /// Inserted rows.
    pub inserted: u64,
    /// Updated rows.
    pub updated: u64,
    /// Deleted rows.
    pub deleted: u64,
}

impl WriteSet {
    /// Returns the tables in the order of their names.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Rows)> {
        self.tables
            .iter()
            .map(|(table, rows)| (table.as_str(), *rows))
    }

    /// Returns whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    fn note(&mut self, action: Action, table: &str) {
        if !self.tables.contains_key(table) {
            self.tables.insert(table.to_owned(), Rows::default());
        }
        let Some(rows) = self.tables.get_mut(table) else {
            return;
        };
        match action {
            Action::SQLITE_INSERT => rows.inserted += 1,
            Action::SQLITE_DELETE => rows.deleted += 1,
            _ => rows.updated += 1,
        }
    }
}

/// A connection's write set, shared with the hook that SQLite calls for each row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes(Arc<Mutex<WriteSet>>);

impl Writes {
    pub(crate) fn attach(raw: &mut rusqlite::Connection) -> rusqlite::Result<Self> {
        let writes = Self::default();
        let hook = writes.clone();
        raw.update_hook(Some(
            move |action: Action, _database: &str, table: &str, _row: i64| {
                hook.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .note(action, table);
            },
        ))?;
        Ok(writes)
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tables
            .clear();
    }

    pub(crate) fn get(&self) -> WriteSet {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
