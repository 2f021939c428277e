//! Documents, the lists that folders show of them, and a counter.

use std::time::{SystemTime, UNIX_EPOCH};

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, OptionalExtension, Row};

/// Returns whether the samples were imported. Then they are not imported again, even if all of them
/// were deleted since.
pub(crate) fn is_imported(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM imported WHERE name = 'samples')",
        [],
        |row| row.get(0),
    )
}

/// Records that the samples were imported.
pub(crate) fn set_imported(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("INSERT INTO imported VALUES ('samples', ?1)", [now()])
        .map(drop)
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

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            title: row.get(1)?,
        })
    }
}

/// The document at `path`.
pub(crate) fn document(connection: &Connection, path: &str) -> rusqlite::Result<Option<Document>> {
    let mut select = connection.prepare_cached(
        "SELECT path, title, format, body,
             strftime('%Y-%m-%dT%H:%MZ', modified, 'unixepoch'), modified
         FROM document WHERE path = ?1",
    )?;
    let document = |row: &Row<'_>| {
        Ok(Document {
            path: row.get(0)?,
            title: row.get(1)?,
            format: Format::from_column(&row.get::<_, String>(2)?),
            body: row.get(3)?,
            modified: row.get(4)?,
            changed: row.get(5)?,
        })
    };
    select.query_row([path], document).optional()
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
    pub(super) fn limit_and_offset(self) -> (i64, i64) {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        (number(self.most).saturating_add(1), number(self.skip))
    }
}

/// The documents in the folder `path`, in its order.
pub(crate) fn children(
    connection: &Connection,
    path: &str,
    range: Range,
) -> rusqlite::Result<Portion<Entry>> {
    let (limit, offset) = range.limit_and_offset();
    let mut select = connection.prepare_cached(
        "SELECT path, title FROM document WHERE parent = ?1 ORDER BY position, title
         LIMIT ?2 OFFSET ?3",
    )?;
    let entries = select.query_map((path, limit, offset), Entry::from_row)?;
    Ok(Portion::new(entries.collect::<Result<_, _>>()?, range.most))
}

/// The folders of `path`, from the root on.
pub(crate) fn ancestors(connection: &Connection, path: &str) -> rusqlite::Result<Vec<Entry>> {
    let mut select =
        connection.prepare_cached("SELECT path, title FROM document WHERE path = ?1")?;
    let mut folders = Vec::new();
    let mut next = parent(path);
    while let Some(folder) = next {
        folders.extend(select.query_row([folder], Entry::from_row).optional()?);
        next = parent(folder);
    }
    folders.reverse();
    Ok(folders)
}

/// The counter's value.
pub(crate) fn counter(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM counter WHERE id = 1")?
        .query_row([], |row| row.get(0))
}

/// Sets the counter.
pub(crate) fn set_counter(connection: &Connection, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE counter SET value = ?1 WHERE id = 1")?
        .execute([value])
        .map(drop)
}
