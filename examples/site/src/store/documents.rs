//! Documents, the lists that folders show of them, and a counter.

use std::time::{SystemTime, UNIX_EPOCH};

use super::connection::Connection;
use super::error::Result;
use super::sql;
use super::value::Row;

/// Returns whether the samples were imported. Then they are not imported again, even if all of them
/// were deleted since.
pub(crate) fn is_imported(connection: &mut Connection) -> Result<bool> {
    connection.query_one(sql::IS_IMPORTED, &[], |row| row.get(0))
}

/// Records that the samples were imported.
pub(crate) fn set_imported(connection: &mut Connection) -> Result<()> {
    connection.execute(sql::SET_IMPORTED, &[now().into()])
}

/// In seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// The folder of a path; none for the root.
pub(crate) fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (folder, _) => Some(folder),
    }
}

/// A complete document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) format: Format,
    pub(crate) body: String,
    /// The minute in UTC, as `2026-01-31T12:00Z`.
    pub(crate) modified: String,
    /// The moment, in seconds since 1970.
    pub(crate) changed: i64,
}

/// The format of a document's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Html,
}

impl Format {
    /// The schema allows no third format.
    pub(super) fn from_column(name: &str) -> Self {
        if name == "html" {
            Self::Html
        } else {
            Self::Markdown
        }
    }

    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }
}

/// A document as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) title: String,
}

impl Entry {
    /// The root, as the navigation names it.
    pub(crate) fn home() -> Self {
        Self {
            path: "/".to_owned(),
            title: "Home".to_owned(),
        }
    }

    pub(super) fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            title: row.get(1)?,
        })
    }
}

/// The document at `path`.
pub(crate) fn document(connection: &mut Connection, path: &str) -> Result<Option<Document>> {
    connection.query_opt(sql::DOCUMENT, &[path.into()], |row| {
        Ok(Document {
            path: row.get(0)?,
            title: row.get(1)?,
            format: Format::from_column(&row.get::<String>(2)?),
            body: row.get(3)?,
            modified: row.get(4)?,
            changed: row.get(5)?,
        })
    })
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Portion<T> {
    pub(crate) entries: Vec<T>,
    /// Whether the list continues.
    pub(crate) more: bool,
}

impl<T> Default for Portion<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            more: false,
        }
    }
}

impl<T> Portion<T> {
    /// The first `most` of `entries`, which has one more entry if the list continues.
    pub(super) fn new(mut entries: Vec<T>, most: usize) -> Self {
        let more = entries.len() > most;
        entries.truncate(most);
        Self { entries, more }
    }
}

/// A part of a list: at most `most` entries after the first `skip`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) skip: usize,
    pub(crate) most: usize,
}

impl Range {
    /// For SQL, with one more entry, which tells whether the list continues.
    pub(super) fn limit_and_offset(self) -> (usize, usize) {
        (self.most.saturating_add(1), self.skip)
    }
}

/// The documents in the folder `path`, in its order.
pub(crate) fn children(
    connection: &mut Connection,
    path: &str,
    range: Range,
) -> Result<Portion<Entry>> {
    let (limit, offset) = range.limit_and_offset();
    let values = [path.into(), limit.into(), offset.into()];
    let entries = connection.query(sql::CHILDREN, &values, Entry::from_row)?;
    Ok(Portion::new(entries, range.most))
}

/// The folders of `path`, from the root on.
pub(crate) fn ancestors(connection: &mut Connection, path: &str) -> Result<Vec<Entry>> {
    let mut folders = Vec::new();
    let mut next = parent(path);
    while let Some(folder) = next {
        folders.extend(connection.query_opt(sql::ENTRY, &[folder.into()], Entry::from_row)?);
        next = parent(folder);
    }
    folders.reverse();
    Ok(folders)
}

/// The counter's value.
pub(crate) fn counter(connection: &mut Connection) -> Result<i64> {
    connection.query_one(sql::COUNTER, &[], |row| row.get(0))
}

/// Sets the counter.
pub(crate) fn set_counter(connection: &mut Connection, value: i64) -> Result<()> {
    connection.execute(sql::SET_COUNTER, &[value.into()])
}
