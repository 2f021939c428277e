//! The words of a text, as the full-text index sees them.
//!
//! FTS5's tokenizer folds case and diacritics by its own tables and then removes endings. It has no
//! function to query that, and a copy of its rules would drift. So FTS5 itself is queried, with an
//! index of the same tokenizer in memory: once for each character beyond ASCII, and once for each
//! word that may be a search term. Both numbers are limited in each search. The answers never
//! change, so they are kept: otherwise a search in a Chinese text would take 60 ms for its
//! characters alone.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use euryale_sqlite::rusqlite::Connection;

use super::error::Result;
use super::schema::sqlite::TOKENIZER;

/// The maximum number of characters beyond ASCII that FTS5 is asked about in one search. A page of
/// Chinese has about a thousand; any more separate words.
const MOST_CHARACTERS: usize = 4096;

/// The maximum number of words that FTS5 is asked about in one search. Words beyond it are not
/// marked.
const MOST_WORDS: usize = 1024;

/// The maximum number of characters, and of words, that a tokenizer remembers for later searches.
const MOST_KEPT: usize = 32 << 10;

/// The tokenizers that no search is using, at most one for each worker that ever searched.
static IDLE: Mutex<Vec<Tokenizer>> = Mutex::new(Vec::new());

/// Calls `search` with a tokenizer that remembers the answers from previous searches.
///
/// # Errors
/// SQLite's, when there is no memory, and those of `search`.
pub(crate) fn with_tokenizer<T>(search: impl FnOnce(&mut Tokenizer) -> Result<T>) -> Result<T> {
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut tokenizer = match idle {
        Some(tokenizer) => tokenizer,
        None => Tokenizer::new()?,
    };
    tokenizer.begin();
    let result = search(&mut tokenizer);
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    idle.push(tokenizer);
    result
}

/// How the tokenizer treats a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Part of a word, and folded to this.
    Letter(char),
    /// Folded to nothing: a diacritic, after a letter.
    Diacritic,
    /// A separator between words.
    Separator,
}

/// Splits texts into words, and reduces words to the terms that the index has.
pub(crate) struct Tokenizer {
    index: Connection,
    characters: HashMap<char, Kind>,
    terms: RefCell<HashMap<String, String>>,
    /// The number of characters that may still be asked about in this search.
    characters_left: usize,
    /// The number of words that may still be asked about in this search.
    words_left: Cell<usize>,
}

impl Tokenizer {
    /// # Errors
    /// SQLite's, when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        let index = Connection::open_in_memory()?;
        index.execute_batch(&format!(
            "CREATE VIRTUAL TABLE words USING fts5 (word, content = '', tokenize = '{TOKENIZER}');
             CREATE VIRTUAL TABLE terms USING fts5vocab (words, instance);"
        ))?;
        Ok(Self {
            index,
            characters: HashMap::new(),
            terms: RefCell::default(),
            characters_left: MOST_CHARACTERS,
            words_left: Cell::new(MOST_WORDS),
        })
    }

    /// Prepares for another search.
    fn begin(&mut self) {
        self.characters_left = MOST_CHARACTERS;
        self.words_left.set(MOST_WORDS);
        if self.characters.len() > MOST_KEPT {
            self.characters.clear();
        }
        let terms = self.terms.get_mut();
        if terms.len() > MOST_KEPT {
            terms.clear();
        }
    }

    /// Learns the characters of `texts`, which are then split as FTS5 splits them.
    pub(crate) fn learn<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut unknown = HashSet::new();
        for character in texts.into_iter().flat_map(str::chars) {
            if unknown.len() == self.characters_left {
                break;
            }
            if !character.is_ascii() && !self.characters.contains_key(&character) {
                unknown.insert(character);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        self.characters_left -= unknown.len();
        let unknown: Vec<char> = unknown.into_iter().collect();
        // Each is queried alone and between two letters. A diacritic alone is not a word, but it
        // does not end one.
        let texts = unknown
            .iter()
            .flat_map(|character| [character.to_string(), format!("x{character}x")]);
        let terms = self.ask(texts)?;
        for (character, terms) in unknown.into_iter().zip(terms.chunks_exact(2)) {
            let folded = terms[0].first().and_then(|term| term.chars().next());
            let kind = match folded {
                Some(folded) => Kind::Letter(folded),
                None if terms[1].len() == 1 => Kind::Diacritic,
                None => Kind::Separator,
            };
            self.characters.insert(character, kind);
        }
        Ok(())
    }

    /// The places of the words in `text`.
    pub(crate) fn words<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut characters = text.char_indices();
        std::iter::from_fn(move || {
            let start = characters
                .by_ref()
                .find(|(_, character)| matches!(self.kind(*character), Kind::Letter(_)))?
                .0;
            let is_end = |(_, character): &(usize, char)| self.kind(*character) == Kind::Separator;
            let end = characters.by_ref().find(is_end);
            Some(start..end.map_or(text.len(), |(at, _)| at))
        })
    }

    /// The letters of a word as the index writes them, before the ending is taken off.
    pub(crate) fn folded(&self, word: &str) -> impl Iterator<Item = char> {
        word.chars()
            .filter_map(|character| match self.kind(character) {
                Kind::Letter(letter) => Some(letter),
                Kind::Diacritic | Kind::Separator => None,
            })
    }

    /// The term of a word in the index; none if too many have been asked for.
    pub(crate) fn term(&self, word: &str) -> Result<Option<String>> {
        let folded: String = self.folded(word).collect();
        let mut terms = self.terms.borrow_mut();
        if let Some(term) = terms.get(&folded) {
            return Ok(Some(term.clone()));
        }
        let Some(left) = self.words_left.get().checked_sub(1) else {
            return Ok(None);
        };
        self.words_left.set(left);
        let term = self.ask([folded.clone()])?.into_iter().flatten().next();
        let term = term.unwrap_or_default();
        terms.insert(folded, term.clone());
        Ok(Some(term))
    }

    /// All terms of each text, in order. Not limited, because a stored text is indexed whole.
    #[cfg(feature = "postgres")]
    pub(super) fn all_terms(&self, texts: [&str; 2]) -> Result<Vec<Vec<String>>> {
        self.ask(texts.map(str::to_owned))
    }

    fn kind(&self, character: char) -> Kind {
        match character {
            _ if character.is_ascii_alphanumeric() => Kind::Letter(character.to_ascii_lowercase()),
            _ if character.is_ascii() => Kind::Separator,
            _ => self
                .characters
                .get(&character)
                .copied()
                .unwrap_or(Kind::Separator),
        }
    }

    /// The terms of each of `texts`.
    fn ask(&self, texts: impl IntoIterator<Item = String>) -> Result<Vec<Vec<String>>> {
        // One transaction for all of them.
        let index = self.index.unchecked_transaction()?;
        let mut insert = index.prepare_cached("INSERT INTO words (rowid, word) VALUES (?1, ?2)")?;
        let mut terms = Vec::new();
        for text in texts {
            insert.execute((i64::try_from(terms.len()).unwrap_or(i64::MAX), text))?;
            terms.push(Vec::new());
        }
        let mut select =
            index.prepare_cached("SELECT doc, term FROM terms ORDER BY doc, offset")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let text = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX);
            if let Some(terms) = terms.get_mut(text) {
                terms.push(row.get(1)?);
            }
        }
        drop(rows);
        drop(select);
        drop(insert);
        index.rollback()?;
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_CHARACTERS, MOST_WORDS, Tokenizer};

    #[test]
    fn a_later_search_asks_only_what_no_search_has_asked() {
        let mut tokenizer = Tokenizer::new().unwrap();
        for (text, characters, words) in [("日本 été", 3, 2), ("été 日本", 0, 0), ("本 ö", 1, 2)]
        {
            tokenizer.begin();
            tokenizer.learn([text]).unwrap();
            for word in text.split(' ') {
                tokenizer.term(word).unwrap();
            }
            let asked = (
                MOST_CHARACTERS - tokenizer.characters_left,
                MOST_WORDS - tokenizer.words_left.get(),
            );
            assert_eq!(asked, (characters, words), "{text}");
        }
    }
}
