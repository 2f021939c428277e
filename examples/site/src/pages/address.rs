//! The paths of documents, and the names that they consist of.

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// The maximum number of characters of a name, and of a path.
const LONGEST_NAME: usize = 100;
const LONGEST_PATH: usize = 500;

/// Returns whether `character` is invisible, or moves what follows it: two names with such
/// characters look the same and are not. These are marks that turn the direction of writing (UAX #9
/// §2), separators of lines, fillers, and characters without a width. The joiners U+200C and U+200D
/// are allowed, because some scripts and emoji cannot be written without them.
pub(crate) fn misleads(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// A path or a name as the site stores it, in Unicode's form NFC. Keyboards and most systems write
/// composed letters. File names from macOS have decomposed ones: they look the same, but a typed
/// address would not find them.
pub(crate) fn normal(path: &str) -> String {
    path.nfc().collect()
}

/// The path of a writing request: decoded, in NFC, and checked.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn writable(encoded: &str) -> Result<String, String> {
    let path = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| "The address is not written in UTF-8.".to_owned())?;
    let path = normal(&path);
    check(&path)?;
    Ok(path)
}

/// The path of `name` in `folder`, as the site keeps it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn join(folder: &str, name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("A page or a file needs a name.".to_owned());
    }
    if name.contains('/') {
        return Err("A name must not contain a slash.".to_owned());
    }
    let path = normal(&format!("{}/{name}", folder.trim_end_matches('/')));
    check(&path)?;
    Ok(path)
}

fn check(path: &str) -> Result<(), String> {
    if path.chars().count() > LONGEST_PATH {
        return Err(format!("An address has at most {LONGEST_PATH} characters."));
    }
    match path.strip_prefix('/') {
        Some("") => Ok(()),
        Some(names) => names.split('/').try_for_each(check_name),
        None => Err("An address begins with a slash.".to_owned()),
    }
}

/// A name is not valid if browsers or proxies would change it on the way, or if it has another
/// meaning here.
fn check_name(name: &str) -> Result<(), String> {
    let wrong = if name.is_empty() {
        "A name must not be empty: neither two slashes in a row, nor one at the end."
    } else if name == "." || name == ".." {
        "A name must not be . or .., which stand for folders."
    } else if name.contains("@@") {
        "A name must not contain @@: such addresses belong to the site itself."
    } else if name.trim() != name || name.contains(char::is_control) {
        "A name must not contain control characters, or begin or end with a space."
    } else if name.contains(misleads) {
        "A name must not contain characters that are invisible or change the direction of writing."
    } else if name.chars().count() > LONGEST_NAME {
        return Err(format!("A name has at most {LONGEST_NAME} characters."));
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}
