//! The database's data about files.

use std::collections::HashSet;

use super::connection::Connection;
use super::documents::{Portion, Range, parent};
use super::error::Result;
use super::sql;
use super::value::Row;

/// A file among the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) path: String,
    /// Its name among the blobs.
    pub(crate) blob: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) content_type: String,
    /// In seconds since 1970.
    pub(crate) modified: i64,
}

impl FileEntry {
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            blob: row.get(1)?,
            size: u64::try_from(row.get::<i64>(2)?).unwrap_or(0),
            content_type: row.get(3)?,
            modified: row.get(4)?,
        })
    }
}

/// The file at `path`.
pub(crate) fn file(connection: &mut Connection, path: &str) -> Result<Option<FileEntry>> {
    connection.query_opt(sql::FILE, &[path.into()], FileEntry::from_row)
}

/// The files in the folder `path`, by name.
pub(crate) fn files(
    connection: &mut Connection,
    path: &str,
    range: Range,
) -> Result<Portion<FileEntry>> {
    let (limit, offset) = range.limit_and_offset();
    let values = [path.into(), limit.into(), offset.into()];
    let entries = connection.query(sql::FILES, &values, FileEntry::from_row)?;
    Ok(Portion::new(entries, range.most))
}

/// Stores a file, replacing the one at its path.
pub(crate) fn put_file(connection: &mut Connection, file: &FileEntry) -> Result<()> {
    let values = [
        (&file.path).into(),
        parent(&file.path).into(),
        (&file.blob).into(),
        file.size.into(),
        (&file.content_type).into(),
        file.modified.into(),
    ];
    connection.execute(sql::PUT_FILE, &values)
}

/// Removes the file.
pub(crate) fn remove_file(connection: &mut Connection, path: &str) -> Result<()> {
    connection.execute(sql::REMOVE_FILE, &[path.into()])
}

/// The picture `original` in this width, as a file.
pub(crate) fn scale(
    connection: &mut Connection,
    original: &FileEntry,
    width: u32,
) -> Result<Option<FileEntry>> {
    let values = [
        (&original.path).into(),
        (&original.blob).into(),
        width.into(),
    ];
    connection.query_opt(sql::SCALE, &values, FileEntry::from_row)
}

/// Keeps it.
pub(crate) fn put_scale(
    connection: &mut Connection,
    original: &FileEntry,
    width: u32,
    scale: &FileEntry,
) -> Result<()> {
    let values = [
        (&original.blob).into(),
        width.into(),
        (&scale.blob).into(),
        scale.size.into(),
        (&scale.content_type).into(),
        scale.modified.into(),
    ];
    connection.execute(sql::PUT_SCALE, &values)
}

/// Removes the scales of `original`, and returns their blobs.
pub(crate) fn remove_scales(
    connection: &mut Connection,
    original: &FileEntry,
) -> Result<Vec<String>> {
    let values = [(&original.blob).into()];
    connection.query(sql::REMOVE_SCALES, &values, |row| row.get(0))
}

/// Returns which of these blobs belong to a file or to a scale of one.
pub(crate) fn named(connection: &mut Connection, blobs: &[String]) -> Result<HashSet<String>> {
    // Names of blobs are digits and slashes: nothing to escape.
    let list = format!("[\"{}\"]", blobs.join("\",\""));
    let named = connection.query(sql::NAMED, &[(&list).into()], |row| row.get(0))?;
    Ok(named.into_iter().collect())
}

/// The name of this database.
pub(crate) fn identity(connection: &mut Connection) -> Result<String> {
    connection.query_one(sql::IDENTITY, &[], |row| row.get(0))
}

/// Returns whether it has marked a folder of blobs as its own.
pub(crate) fn has_marked_blobs(connection: &mut Connection) -> Result<bool> {
    connection.query_one(sql::HAS_MARKED_BLOBS, &[], |row| row.get(0))
}

/// Records that it has marked one.
pub(crate) fn set_marked_blobs(connection: &mut Connection) -> Result<()> {
    connection.execute(sql::SET_MARKED_BLOBS, &[])
}

/// The blob of any file, if there is one.
pub(crate) fn some_blob(connection: &mut Connection) -> Result<Option<String>> {
    connection.query_opt(sql::SOME_BLOB, &[], |row| row.get(0))
}
