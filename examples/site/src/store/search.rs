//! Full-text search: the documents that match an expression of FTS5.
//!
//! Neither `highlight()` nor `snippet()` is called: their time grows with the square of the
//! matches, and nothing can interrupt them. [`crate::pages::search`] cuts and marks the snippets.

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, Row};

use super::documents::Format;

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

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// The best first.
    pub(crate) best: Vec<Hit>,
    /// The number of all of them, up to [`MOST_COUNTED`].
    pub(crate) count: usize,
    /// Whether there are more than were counted.
    pub(crate) more: bool,
}

/// Counting stops here, because each result costs a step of the query.
pub(crate) const MOST_COUNTED: usize = 1000;

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
    // index ranks all matches before it gives the first one, so counting some more costs little.
    let mut select = connection.prepare_cached(
        "SELECT searched.path FROM search
         CROSS JOIN searched ON searched.id = search.rowid
         WHERE search MATCH ?1
             AND (?2 = '/' OR searched.path = ?2
                 OR (searched.path > ?2 || '/' AND searched.path < ?2 || '0'))
         ORDER BY search.rank LIMIT ?3",
    )?;
    let limit = i64::try_from(MOST_COUNTED)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let mut rows = select.query((expression, folder, limit))?;
    let mut paths = Vec::with_capacity(most);
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if paths.len() < most {
            paths.push(row.get::<_, String>(0)?);
        }
        count += 1;
    }
    let more = count > MOST_COUNTED;
    let mut read = connection.prepare_cached(
        "SELECT path, title, format, substr(body, 1, ?2) FROM document WHERE path = ?1",
    )?;
    let characters = i64::try_from(characters).unwrap_or(i64::MAX);
    let best = paths
        .iter()
        .map(|path| read.query_row((path, characters), Hit::from_row))
        .collect::<rusqlite::Result<_>>()?;
    Ok(Hits {
        best,
        count: count.min(MOST_COUNTED),
        more,
    })
}
