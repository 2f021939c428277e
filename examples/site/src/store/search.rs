//! Full-text search: the documents that have all words of a search.
//!
//! FTS5's `highlight()` and `snippet()` are not called: their time grows with the square of the
//! matches, and nothing can interrupt them. [`crate::pages::search`] cuts and marks the snippets.

use super::connection::Connection;
use super::documents::Format;
use super::error::Result;
use super::sql;
use super::value::Row;

/// Words of a search that stand in this order. The phrase `e-mail` has two.
#[derive(Debug)]
pub(crate) struct Phrase {
    /// The typed text, up to the last word that counts.
    pub(crate) text: String,
    /// The words, as the index has them.
    pub(crate) terms: Vec<String>,
}

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
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            path: row.get(0)?,
            title: row.get(1)?,
            format: Format::from_column(&row.get::<String>(2)?),
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

/// The documents at and below `folder` that have all `phrases`: at most `most`, each with at most
/// `characters` of its text.
pub(crate) fn search(
    connection: &mut Connection,
    folder: &str,
    phrases: &[Phrase],
    most: usize,
    characters: usize,
) -> Result<Hits> {
    let wanted = match connection {
        Connection::Sqlite(_) => expression(phrases),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => match super::words::query(phrases) {
            Some(query) => query,
            None => return Ok(Hits::default()),
        },
    };
    let values = [
        (&wanted).into(),
        folder.into(),
        MOST_COUNTED.saturating_add(1).into(),
    ];
    let paths: Vec<String> = connection.query(sql::SEARCH, &values, |row| row.get(0))?;
    let mut best = Vec::with_capacity(most.min(paths.len()));
    for path in paths.iter().take(most) {
        let values = [path.into(), characters.into()];
        best.push(connection.query_one(sql::FOUND, &values, Hit::from_row)?);
    }
    Ok(Hits {
        best,
        count: paths.len().min(MOST_COUNTED),
        more: paths.len() > MOST_COUNTED,
    })
}

/// The phrases in FTS5's language. Each of them is a string, so that no character in it is an
/// operator.
pub(crate) fn expression(phrases: &[Phrase]) -> String {
    let strings: Vec<String> = phrases
        .iter()
        .map(|phrase| format!("\"{}\"", phrase.text.replace('"', "\"\"")))
        .collect();
    strings.join(" ")
}

/// Brings PostgreSQL's index up to date. SQLite's triggers do that.
#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unnecessary_wraps, reason = "PostgreSQL may fail")
)]
pub(super) fn index(
    connection: &mut Connection,
    path: &str,
    title: &str,
    body: &str,
) -> Result<()> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = (path, title, body);
            Ok(())
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let words = super::with_tokenizer(|tokenizer| tokenizer.all_terms([title, body]))?;
            let words = super::words::vector(&words[0], &words[1]);
            connection.execute(sql::INDEX, &[path.into(), (&words).into()])
        }
    }
}
