//! Creates, changes and removes documents.

use super::connection::Connection;
use super::documents::{Format, now, parent};
use super::error::Result;
use super::search::index;
use super::sql;

/// Returns whether there is a document at `path`. Only documents can contain others.
pub(crate) fn exists(connection: &mut Connection, path: &str) -> Result<bool> {
    connection.query_one(sql::EXISTS, &[path.into()], |row| row.get(0))
}

/// Returns whether `path` contains anything.
pub(crate) fn has_children(connection: &mut Connection, path: &str) -> Result<bool> {
    connection.query_one(sql::HAS_CHILDREN, &[path.into()], |row| row.get(0))
}

/// A new document, at the end of its folder.
pub(crate) fn add(
    connection: &mut Connection,
    path: &str,
    title: &str,
    format: Format,
    body: &str,
) -> Result<()> {
    add_at(connection, path, title, format, body, now())
}

/// The same, last changed at `modified`, in seconds since 1970.
pub(crate) fn add_at(
    connection: &mut Connection,
    path: &str,
    title: &str,
    format: Format,
    body: &str,
    modified: i64,
) -> Result<()> {
    let values = [
        path.into(),
        parent(path).into(),
        title.into(),
        format.column().into(),
        body.into(),
        modified.into(),
    ];
    connection.execute(sql::ADD, &values)?;
    index(connection, path, title, body)
}

/// Changes title and text; the format stays the same.
pub(crate) fn change(
    connection: &mut Connection,
    path: &str,
    title: &str,
    body: &str,
) -> Result<()> {
    let values = [path.into(), title.into(), body.into(), now().into()];
    connection.execute(sql::CHANGE, &values)?;
    index(connection, path, title, body)
}

/// Changes title, text and format, with the last change at `modified`, in seconds since 1970.
pub(crate) fn replace(
    connection: &mut Connection,
    path: &str,
    title: &str,
    format: Format,
    body: &str,
    modified: i64,
) -> Result<()> {
    let values = [
        path.into(),
        title.into(),
        format.column().into(),
        body.into(),
        modified.into(),
    ];
    connection.execute(sql::REPLACE, &values)?;
    index(connection, path, title, body)
}

/// Removes the document.
pub(crate) fn remove(connection: &mut Connection, path: &str) -> Result<()> {
    connection.execute(sql::REMOVE, &[path.into()])
}
