//! Full-text search: the words of a query, and the documents that have them all.

use euryale_sqlite::Connection;
use euryale_sqlite::rusqlite::{self, Row};

use super::Format;

/// What stands before and after a word that was found. No text has these: Unicode calls them
/// noncharacters.
pub(crate) const MARK: [char; 2] = ['\u{fdd0}', '\u{fdd1}'];

/// More words are not looked for.
const MOST_WORDS: usize = 32;

/// A document that has all words; those are marked, in its title and in its body.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) format: Format,
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
#[derive(Debug)]
pub(crate) struct Hits {
    pub(crate) best: Vec<Hit>,
    /// Are there others?
    pub(crate) more: bool,
}

/// The documents at and below `folder` that have all `words`, at most so many.
pub(crate) fn search(
    connection: &Connection,
    folder: &str,
    words: &str,
    most: usize,
) -> rusqlite::Result<Hits> {
    let query = quoted(words);
    if query.is_empty() {
        return Ok(Hits {
            best: Vec::new(),
            more: false,
        });
    }
    // Below the folder is what begins with it and a slash; 0 is the character after the slash. The
    // index gives its rows in the order of their rank, so bodies are marked only until there are
    // enough.
    let mut select = connection.prepare_cached(
        "SELECT document.path, highlight(search, 0, ?4, ?5), document.format, highlight(search, \
            1, ?4, ?5)
         FROM search
         CROSS JOIN searched ON searched.id = search.rowid
         CROSS JOIN document ON document.path = searched.path
         WHERE search MATCH ?1
             AND (?2 = '/' OR document.path = ?2
                 OR (document.path > ?2 || '/' AND document.path < ?2 || '0'))
         ORDER BY search.rank LIMIT ?3",
    )?;
    let [before, after] = MARK.map(String::from);
    let most_and_one = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let rows = select.query_map((query, folder, most_and_one, before, after), Hit::from_row)?;
    let mut best = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = best.len() > most;
    best.truncate(most);
    Ok(Hits { best, more })
}

/// As a query of FTS5: each word is a string, so that no character in it is an operator. A control
/// character (a NUL would end the query) separates words, as a space does.
fn quoted(words: &str) -> String {
    let words = words.split(|character: char| character.is_whitespace() || character.is_control());
    let words = words.filter(|word| !word.is_empty()).take(MOST_WORDS);
    let strings: Vec<String> = words
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    strings.join(" ")
}
