//! Creates, changes and removes documents.

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite;

use super::documents::{Format, now, parent};

/// Returns whether there is a document at `path`. Only documents can contain others.
pub(crate) fn exists(connection: &Connection, path: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM document WHERE path = ?1)")?
        .query_row([path], |row| row.get(0))
}

/// Returns whether `path` contains anything.
pub(crate) fn has_children(connection: &Connection, path: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM document WHERE parent = ?1)
                 OR EXISTS (SELECT 1 FROM file WHERE parent = ?1)",
        )?
        .query_row([path], |row| row.get(0))
}

/// A new document, at the end of its folder.
pub(crate) fn add(
    connection: &Connection,
    path: &str,
    title: &str,
    format: Format,
    body: &str,
) -> rusqlite::Result<()> {
    add_at(connection, path, title, format, body, now())
}

/// The same, last changed at `modified`, in seconds since 1970.
pub(crate) fn add_at(
    connection: &Connection,
    path: &str,
    title: &str,
    format: Format,
    body: &str,
    modified: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO document (path, parent, position, title, format, body, modified)
             SELECT ?1, ?2, ifnull(max(position), -1) + 1, ?3, ?4, ?5, ?6
             FROM document WHERE parent = ?2",
        )?
        .execute((path, parent(path), title, format.column(), body, modified))
        .map(drop)
}

/// Changes title and text; the format stays the same.
pub(crate) fn change(
    connection: &Connection,
    path: &str,
    title: &str,
    body: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE document SET title = ?2, body = ?3, modified = ?4 WHERE path = ?1")?
        .execute((path, title, body, now()))
        .map(drop)
}

/// Changes title, text and format, with the last change at `modified`, in seconds since 1970.
pub(crate) fn replace(
    connection: &Connection,
    path: &str,
    title: &str,
    format: Format,
    body: &str,
    modified: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE document SET title = ?2, format = ?3, body = ?4, modified = ?5 WHERE path = ?1",
        )?
        .execute((path, title, format.column(), body, modified))
        .map(drop)
}

/// Without the document.
pub(crate) fn remove(connection: &Connection, path: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM document WHERE path = ?1")?
        .execute([path])
        .map(drop)
}
