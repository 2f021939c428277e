//! Everything at a path and below it.

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, Row};

use super::documents::Format;
use super::files::FileEntry;

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
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            title: row.get(1)?,
            format: Format::from_column(&row.get::<_, String>(2)?),
            body: row.get(3)?,
            modified: row.get(4)?,
            position: row.get(5)?,
        })
    }
}

/// Passes the documents at `path` and below, by path, to `each` until it returns false.
pub(crate) fn texts_below(
    connection: &Connection,
    path: &str,
    mut each: impl FnMut(Text) -> bool,
) -> rusqlite::Result<()> {
    // Paths below a path begin with it and a slash; 0 is the character after the slash.
    let mut select = connection.prepare_cached(
        "SELECT path, title, format, body, modified, position FROM document
         WHERE ?1 = '/' OR path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0') ORDER BY path",
    )?;
    for text in select.query_map([path], Text::from_row)? {
        if !each(text?) {
            break;
        }
    }
    Ok(())
}

/// The files at `path` and below, by path, up to a limit.
pub(crate) fn files_below(
    connection: &Connection,
    path: &str,
    most: usize,
) -> rusqlite::Result<Vec<FileEntry>> {
    connection
        .prepare_cached(
            "SELECT path, blob, size, content_type, modified FROM file
             WHERE ?1 = '/' OR path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0') ORDER BY path \
             LIMIT ?2",
        )?
        .query_map(
            (path, i64::try_from(most).unwrap_or(i64::MAX)),
            FileEntry::from_row,
        )?
        .collect()
}
