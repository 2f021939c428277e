//! The words to search for, and their places in a text.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};

use crate::store::{self, Phrase, Tokenizer};

/// The maximum number of search words; `e-mail` has two. The index compares each of them with all
/// of its occurrences.
const MOST: usize = 32;

/// The words of a search, in phrases between white space. The phrase `e-mail` is found in texts
/// that have `mail` right after `e`.
#[derive(Debug, Default)]
pub(crate) struct Query {
    phrases: Vec<Phrase>,
    /// The length of the longest one, in words.
    longest: usize,
}

impl Query {
    /// The first words of `text`.
    pub(crate) fn new(text: &str, tokenizer: &mut Tokenizer) -> store::Result<Self> {
        tokenizer.learn([text])?;
        let mut query = Self::default();
        let mut left = MOST;
        // A control character (a NUL would end FTS5's query) separates words, as a space does.
        for text in
            text.split(|character: char| character.is_whitespace() || character.is_control())
        {
            let words: Vec<Range<usize>> = tokenizer.words(text).take(left).collect();
            let mut terms = Vec::with_capacity(words.len());
            for word in &words {
                terms.extend(tokenizer.term(&text[word.clone()])?);
            }
            if terms.is_empty() || query.phrases.iter().any(|phrase| phrase.terms == terms) {
                continue;
            }
            left -= terms.len();
            query.longest = query.longest.max(terms.len());
            query.phrases.push(Phrase {
                text: text[..words.last().map_or(0, |word| word.end)].to_owned(),
                terms,
            });
        }
        Ok(query)
    }

    /// Returns whether there is no word to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// The phrases, in order.
    pub(crate) fn phrases(&self) -> &[Phrase] {
        &self.phrases
    }

    /// The first place of a phrase in `text` at or after `from`.
    pub(crate) fn first(
        &self,
        text: &str,
        from: usize,
        tokenizer: &Tokenizer,
    ) -> store::Result<Option<Range<usize>>> {
        let mut first = None;
        self.each(&text[from..], tokenizer, |found| {
            first = Some(found.start + from..found.end + from);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    /// The places of all phrases in `text`, in order. Overlapping ones are joined.
    pub(crate) fn all(
        &self,
        text: &str,
        tokenizer: &Tokenizer,
    ) -> store::Result<Vec<Range<usize>>> {
        let mut all: Vec<Range<usize>> = Vec::new();
        self.each(text, tokenizer, |mut found| {
            // They are sorted by their ends, and a long one may reach back over several.
            while let Some(last) = all.pop_if(|last| found.start < last.end) {
                found.start = found.start.min(last.start);
            }
            all.push(found);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Calls `each` with the places of phrases, by their ends.
    fn each(
        &self,
        text: &str,
        tokenizer: &Tokenizer,
        mut each: impl FnMut(Range<usize>) -> ControlFlow<()>,
    ) -> store::Result<()> {
        // The last words, each with its term if the search contains it.
        let mut last: VecDeque<(Range<usize>, Option<String>)> = VecDeque::new();
        for word in tokenizer.words(text) {
            let term = self.term(&text[word.clone()], tokenizer)?;
            if last.len() == self.longest {
                last.pop_front();
            }
            last.push_back((word.clone(), term));
            for phrase in &self.phrases {
                let Some(before) = last.len().checked_sub(phrase.terms.len()) else {
                    continue;
                };
                let mut tail = last.range(before..).zip(&phrase.terms);
                if tail.all(|((_, found), term)| found.as_ref() == Some(term))
                    && each(last[before].0.start..word.end).is_break()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The term of `word`, if it may be one of the search terms.
    fn term(&self, word: &str, tokenizer: &Tokenizer) -> store::Result<Option<String>> {
        let is_near = |term: &str| {
            // The stemmer changes the end of a word. Its first letter stays, and so do all of the
            // term but the last one.
            let begin = term.chars().count().saturating_sub(1).max(1);
            let mut folded = tokenizer.folded(word);
            let mut begin = term.chars().take(begin);
            begin.all(|letter| folded.next() == Some(letter))
        };
        let mut terms = self.phrases.iter().flat_map(|phrase| &phrase.terms);
        if !terms.any(|term| is_near(term)) {
            return Ok(None);
        }
        tokenizer.term(word)
    }
}
