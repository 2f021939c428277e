//! The database's data about files.

use std::collections::HashSet;
use std::error::Error;

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, ErrorCode, OptionalExtension, Row};

use super::documents::{Portion, Range, parent};

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
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            blob: row.get(1)?,
            size: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
            content_type: row.get(3)?,
            modified: row.get(4)?,
        })
    }
}

/// The file at `path`.
pub(crate) fn file(connection: &Connection, path: &str) -> rusqlite::Result<Option<FileEntry>> {
    connection
        .prepare_cached(
            "SELECT path, blob, size, content_type, modified FROM file WHERE path = ?1",
        )?
        .query_row([path], FileEntry::from_row)
        .optional()
}

/// The files in the folder `path`, by name.
pub(crate) fn files(
    connection: &Connection,
    path: &str,
    range: Range,
) -> rusqlite::Result<Portion<FileEntry>> {
    let (limit, offset) = range.limit_and_offset();
    let mut select = connection.prepare_cached(
        "SELECT path, blob, size, content_type, modified FROM file WHERE parent = ?1
         ORDER BY path LIMIT ?2 OFFSET ?3",
    )?;
    let entries = select.query_map((path, limit, offset), FileEntry::from_row)?;
    Ok(Portion::new(entries.collect::<Result<_, _>>()?, range.most))
}

/// Stores a file, replacing the one at its path.
pub(crate) fn put_file(connection: &Connection, file: &FileEntry) -> rusqlite::Result<()> {
    let size = i64::try_from(file.size).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO file (path, parent, blob, size, content_type, modified) VALUES (?1, ?2, \
                ?3, ?4, ?5, ?6)
             ON CONFLICT (path) DO UPDATE SET blob = excluded.blob, size = excluded.size,
                 content_type = excluded.content_type, modified = excluded.modified",
        )?
        .execute((
            &file.path,
            parent(&file.path),
            &file.blob,
            size,
            &file.content_type,
            file.modified,
        ))
        .map(drop)
}

/// Removes the file.
pub(crate) fn remove_file(connection: &Connection, path: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM file WHERE path = ?1")?
        .execute([path])
        .map(drop)
}

/// The picture `original` in this width, as a file.
pub(crate) fn scale(
    connection: &Connection,
    original: &FileEntry,
    width: u32,
) -> rusqlite::Result<Option<FileEntry>> {
    connection
        .prepare_cached(
            "SELECT ?1, blob, size, content_type, modified FROM scale WHERE original = ?2 AND \
                width = ?3",
        )?
        .query_row((&original.path, &original.blob, width), FileEntry::from_row)
        .optional()
}

/// Keeps it.
pub(crate) fn put_scale(
    connection: &Connection,
    original: &FileEntry,
    width: u32,
    scale: &FileEntry,
) -> rusqlite::Result<()> {
    let size = i64::try_from(scale.size).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO scale (original, width, blob, size, content_type, modified) VALUES (?1, \
                ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            &original.blob,
            width,
            &scale.blob,
            size,
            &scale.content_type,
            scale.modified,
        ))
        .map(drop)
}

/// Removes the scales of `original`, and returns their blobs.
pub(crate) fn remove_scales(
    connection: &Connection,
    original: &FileEntry,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("DELETE FROM scale WHERE original = ?1 RETURNING blob")?
        .query_map([&original.blob], |row| row.get(0))?
        .collect()
}

/// Returns which of these blobs belong to a file or to a scale of one.
pub(crate) fn named(
    connection: &Connection,
    blobs: &[String],
) -> rusqlite::Result<HashSet<String>> {
    // Names of blobs are digits and slashes: nothing to escape.
    let list = format!("[\"{}\"]", blobs.join("\",\""));
    connection
        .prepare_cached(
            "SELECT blob FROM file WHERE blob IN (SELECT value FROM json_each(?1))
             UNION ALL SELECT blob FROM scale WHERE blob IN (SELECT value FROM json_each(?1))",
        )?
        .query_map([list], |row| row.get(0))?
        .collect()
}

/// The name of this database.
pub(crate) fn identity(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("SELECT id FROM identity", [], |row| row.get(0))
}

/// Returns whether it has marked a folder of blobs as its own.
pub(crate) fn has_marked_blobs(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT has_marked_blobs FROM identity", [], |row| {
        row.get(0)
    })
}

/// Records that it has marked one.
pub(crate) fn set_marked_blobs(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE identity SET has_marked_blobs = 1", [])
        .map(drop)
}

/// The blob of any file, if there is one.
pub(crate) fn some_blob(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT blob FROM file LIMIT 1", [], |row| row.get(0))
        .optional()
}

/// SQLite's own error for a snapshot that is too old.
pub(crate) fn replaced() -> rusqlite::Error {
    let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY_SNAPSHOT);
    rusqlite::Error::SqliteFailure(
        error,
        Some("the file was replaced in the meantime".to_owned()),
    )
}

/// Returns whether `error` means that the database's file is damaged.
pub(crate) fn is_damaged(error: &(dyn Error + 'static)) -> bool {
    let code = error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || error.source().is_some_and(is_damaged)
}
