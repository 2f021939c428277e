//! The data of the home page's tiles.

use super::connection::Connection;
use super::documents::Entry;
use super::error::Result;
use super::sql;

/// The most recently changed documents, each with its day (`2026-01-31`), up to a limit and without
/// the first page.
pub(crate) fn recent(connection: &mut Connection, most: usize) -> Result<Vec<(Entry, String)>> {
    connection.query(sql::RECENT, &[most.into()], |row| {
        Ok((Entry::from_row(row)?, row.get(2)?))
    })
}

/// The number of documents and files.
pub(crate) fn numbers(connection: &mut Connection) -> Result<(i64, i64)> {
    connection.query_one(sql::NUMBERS, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}
