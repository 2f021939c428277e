//! Full-text search: the documents that match an expression of FTS5.
//!
//! Neither `highlight()` nor `snippet()` is called: their time grows with the square of the
//! matches, and nothing can interrupt them. What is shown of a document is cut and marked by
//! [`crate::search`].

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, Row};

use super::Format;

/// A document that was found.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) format: Format,
    /// The beginning of its text.
    pub(crate) body: String,
}

impl Hit {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            title: row.get(1)?,
            format: Format::from_column(&row.get::<_, String>(2)?),
            body: row.get(3)?,
        })
    }
}

/// The best of them, the best first.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    pub(crate) best: Vec<Hit>,
    /// Are there others?
    pub(crate) more: bool,
}

/// The documents at and below `folder` that match `expression`: at most `most`, each with at most
/// `characters` of its text.
pub(crate) fn search(
    connection: &Connection,
    folder: &str,
    expression: &str,
    most: usize,
    characters: usize,
) -> rusqlite::Result<Hits> {
    // Below the folder is what begins with it and a slash; 0 is the character after the slash. The
    // index gives its rows in the order of their rank, so bodies are read only until there are
    // enough.
    let mut select = connection.prepare_cached(
        "SELECT document.path, document.title, document.format, substr(document.body, 1, ?4)
         FROM search
         CROSS JOIN searched ON searched.id = search.rowid
         CROSS JOIN document ON document.path = searched.path
         WHERE search MATCH ?1
             AND (?2 = '/' OR document.path = ?2
                 OR (document.path > ?2 || '/' AND document.path < ?2 || '0'))
         ORDER BY search.rank LIMIT ?3",
    )?;
    let most_and_one = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let characters = i64::try_from(characters).unwrap_or(i64::MAX);
    let rows = select.query_map(
        (expression, folder, most_and_one, characters),
        Hit::from_row,
    )?;
    let mut best = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = best.len() > most;
    best.truncate(most);
    Ok(Hits { best, more })
}
