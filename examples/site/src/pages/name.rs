//! Converts titles of pages to names, and back.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::pages::address::misleads;
use crate::store::{self, Connection};

/// The maximum number of characters in a name that is made from a title.
const LONGEST: usize = 60;

/// The last number that is appended to a name.
const LAST: u32 = 99;

/// The words of `title` in lower case, joined by hyphens. Letters and digits of all scripts are
/// kept. `None` if it has neither.
pub(crate) fn of_title(title: &str) -> Option<String> {
    let mut name = String::new();
    for word in words_of(&title.to_lowercase()) {
        let is_first = name.is_empty();
        if !is_first && name.chars().count() + 1 + word.chars().count() > LONGEST {
            break;
        }
        if !is_first {
            name.push('-');
        }
        name.extend(word.chars().take(LONGEST));
    }
    (!name.is_empty()).then_some(name)
}

fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.nfc() {
        if misleads(character) || is_apostrophe(character) {
            continue;
        }
        // Marks and joiners go with the letter before them.
        let goes_on = is_combining_mark(character) || matches!(character, '\u{200c}' | '\u{200d}');
        if character.is_alphanumeric() || goes_on && !word.is_empty() {
            word.push(character);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '’' | 'ʼ')
}

/// The search words for a reader who typed the address `name`.
pub(crate) fn words(name: &str) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 5 => stem,
        _ => name,
    };
    words_of(stem).join(" ")
}

/// A title for the page `name`, to begin with.
pub(crate) fn title(name: &str) -> String {
    let words = words(name);
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// `name` with the first number appended that is free in `folder`.
pub(crate) fn free(
    connection: &mut Connection,
    folder: &str,
    name: &str,
) -> store::Result<Option<String>> {
    for number in 2..=LAST {
        let free = format!("{name}-{number}");
        let path = format!("{}/{free}", folder.trim_end_matches('/'));
        if !store::exists(connection, &path)? && store::file(connection, &path)?.is_none() {
            return Ok(Some(free));
        }
    }
    Ok(None)
}
