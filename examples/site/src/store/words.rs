//! The words of a document for PostgreSQL's index, and the words of a search in its language.
//!
//! SQLite's tokenizer finds the words for both engines, so a search finds the same pages on both.
//! PostgreSQL only stores and compares them: its own parser and dictionaries are not used. Its
//! limits are <https://www.postgresql.org/docs/15/textsearch-limitations.html>.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::search::Phrase;

/// The longest word of an index, in bytes.
const LONGEST: usize = 2046;

/// The last place of a word that an index tells from others. Phrases are found only up to there.
const LAST_PLACE: usize = 16_383;

/// The maximum number of places of one word.
const MOST_PLACES: usize = 255;

/// The size of an index of one document, in bytes; the limit is 1 MiB. A text is at most as long,
/// so words beyond it are rare.
const LARGEST: usize = 1_000_000;

/// The index of a document with these words, in order, as a `tsvector`. Words beyond its limits are
/// left out.
pub(super) fn vector(title: &[String], body: &[String]) -> String {
    // The text follows the title at a distance, so no phrase spans both.
    let body = (title.len() + 2..)
        .zip(body)
        .map(|(place, word)| (place, word, "D"));
    let title = (1..).zip(title).map(|(place, word)| (place, word, "A"));
    let mut words: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    let mut size = 0;
    for (place, word, weight) in title.chain(body) {
        let is_known = words.contains_key(word.as_str());
        let is_placed = place <= LAST_PLACE;
        let costs = if is_known { 0 } else { word.len() + 4 } + if is_placed { 2 } else { 0 };
        if word.len() > LONGEST || size + costs > LARGEST {
            continue;
        }
        let places = words.entry(word).or_default();
        if is_placed && places.len() < MOST_PLACES {
            places.push((place, weight));
        }
        size += costs;
    }
    let mut vector = String::new();
    for (word, places) in words {
        push_quoted(&mut vector, word);
        for (number, (place, weight)) in places.into_iter().enumerate() {
            let before = if number == 0 { ':' } else { ',' };
            // A string takes all that is written.
            let _ = write!(vector, "{before}{place}{weight}");
        }
        vector.push(' ');
    }
    vector
}

/// The words of `phrases` as a `tsquery`. `None` if a word is longer than those of an index.
pub(super) fn query(phrases: &[Phrase]) -> Option<String> {
    let mut query = String::new();
    for (number, phrase) in phrases.iter().enumerate() {
        query.push_str(if number == 0 { "(" } else { " & (" });
        for (number, term) in phrase.terms.iter().enumerate() {
            if term.len() > LONGEST {
                return None;
            }
            if number > 0 {
                query.push_str(" <-> ");
            }
            push_quoted(&mut query, term);
        }
        query.push(')');
    }
    Some(query)
}

fn push_quoted(text: &mut String, word: &str) {
    text.push('\'');
    for character in word.chars() {
        if matches!(character, '\'' | '\\') {
            text.push(character);
        }
        text.push(character);
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Phrase, query, vector};

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn words_have_places_and_weights() {
        assert_eq!(
            vector(&words("a b"), &words("b c b")),
            "'a':1A 'b':2A,4D,6D 'c':5D "
        );
        assert_eq!(vector(&words("it's\\"), &[]), "'it''s\\\\':1A ");
    }

    #[test]
    fn vector_stays_within_the_limits() {
        let body: Vec<String> = (0..1_000_000).map(|number| format!("{number}")).collect();
        assert!(vector(&[], &body).len() < LARGEST * 2);
        assert_eq!(vector(&["x".repeat(3_000)], &[]), "");
        let often = vec!["x".to_owned(); 20_000];
        assert_eq!(vector(&[], &often).matches('D').count(), 255);
    }

    #[test]
    fn phrases_are_joined() {
        let phrase = |terms: &str| Phrase {
            text: terms.to_owned(),
            terms: words(terms),
        };
        assert_eq!(
            query(&[phrase("e mail"), phrase("o'x")]).unwrap(),
            "('e' <-> 'mail') & ('o''x')"
        );
        assert!(query(&[phrase(&"x".repeat(3_000))]).is_none());
    }
}
