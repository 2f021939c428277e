//! The data of the home page's tiles.

use euryale_sqlite::{Connection, rusqlite};

use super::documents::Entry;

/// The most recently changed documents, each with its day (`2026-01-31`), up to a limit and without
/// the first page.
pub(crate) fn recent(
    connection: &Connection,
    most: usize,
) -> rusqlite::Result<Vec<(Entry, String)>> {
    connection
        .prepare_cached(
            "SELECT path, title, strftime('%Y-%m-%d', modified, 'unixepoch') FROM document
             WHERE path <> '/' ORDER BY modified DESC, path LIMIT ?1",
        )?
        .query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
            Ok((Entry::from_row(row)?, row.get(2)?))
        })?
        .collect()
}

/// The number of documents and files.
pub(crate) fn numbers(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    connection
        .prepare_cached("SELECT (SELECT count(*) FROM document), (SELECT count(*) FROM file)")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}
