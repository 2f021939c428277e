//! Where a document may stand: paths and the names that they are made of.

use percent_encoding::percent_decode_str;

/// So many characters has a name, and a path, at most.
const LONGEST_NAME: usize = 100;
const LONGEST_PATH: usize = 500;

/// Characters that turn the direction of what is written after them: a name would read as another
/// one.
const TURNS: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];

/// The path that a request for writing names, decoded and checked.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn writable(encoded: &str) -> Result<String, String> {
    let path = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| "The address is not written in UTF-8.".to_owned())?
        .into_owned();
    check(&path)?;
    Ok(path)
}

/// The path of `name` in `folder`.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn join(folder: &str, name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("A page or a file needs a name.".to_owned());
    }
    if name.contains('/') {
        return Err("A name has no slash in it.".to_owned());
    }
    let path = format!("{}/{name}", folder.trim_end_matches('/'));
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

/// What browsers and proxies would change on the way, and what means something else here, is no
/// name.
fn check_name(name: &str) -> Result<(), String> {
    let wrong = if name.is_empty() {
        "A name must not be empty: neither two slashes in a row, nor one at the end."
    } else if name == "." || name == ".." {
        "A name must not be . or .., which stand for folders."
    } else if name.contains("@@") {
        "A name has no @@ in it: such addresses belong to the site itself."
    } else if name.trim() != name || name.contains(char::is_control) || name.contains(TURNS) {
        "A name has no control characters, and no space at its ends."
    } else if name.chars().count() > LONGEST_NAME {
        return Err(format!("A name has at most {LONGEST_NAME} characters."));
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}
