//! Everything at a path and below it.

use super::connection::Connection;
use super::documents::Format;
use super::error::Result;
use super::files::FileEntry;
use super::sql;
use super::value::Row;

/// The data of a document that an export needs.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) format: Format,
    pub(crate) body: String,
    /// In seconds since 1970.
    pub(crate) modified: i64,
    /// Its place in its folder.
    pub(crate) position: i64,
}

impl Text {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            title: row.get(1)?,
            format: Format::from_column(&row.get::<String>(2)?),
            body: row.get(3)?,
            modified: row.get(4)?,
            position: row.get(5)?,
        })
    }
}

/// The documents at `path` and below, by path. Their [size](text_below) should be known before.
pub(crate) fn texts_below(connection: &mut Connection, path: &str) -> Result<Vec<Text>> {
    connection.query(sql::TEXTS_BELOW, &[path.into()], Text::from_row)
}

/// The size of the texts of the documents at `path` and below, in bytes.
pub(crate) fn text_below(connection: &mut Connection, path: &str) -> Result<u64> {
    let size: i64 = connection.query_one(sql::TEXT_BELOW, &[path.into()], |row| row.get(0))?;
    Ok(u64::try_from(size).unwrap_or(0))
}

/// The files at `path` and below, by path, up to a limit.
pub(crate) fn files_below(
    connection: &mut Connection,
    path: &str,
    most: usize,
) -> Result<Vec<FileEntry>> {
    let values = [path.into(), most.into()];
    connection.query(sql::FILES_BELOW, &values, FileEntry::from_row)
}
