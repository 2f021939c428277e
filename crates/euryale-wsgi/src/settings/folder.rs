//! Folders that the server itself sends files from.

use std::path::PathBuf;

use super::parse::words;

/// A folder with the URL path that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The URL path without a slash at its end: `/static`. Empty for `/`.
    pub url: String,
    /// The folder, as it is written in the settings. It may be a file for `static`.
    pub folder: PathBuf,
}

/// Parses `/static=DIR`, several separated by spaces or line breaks. A word that does not begin
/// with a slash belongs to the folder before it, so that names of folders may have spaces.
pub(crate) fn mounts(text: &str) -> Result<Vec<Mount>, String> {
    let wrong = || "write a path and a folder, for example /static=/srv/static".to_owned();
    let entries = entries(text);
    let mounts = entries.into_iter().map(|entry| {
        let (url, folder) = entry.split_once('=')?;
        (is_plain(url) && !folder.is_empty()).then(|| Mount {
            url: url.trim_end_matches('/').to_owned(),
            folder: folder.into(),
        })
    });
    let mounts: Vec<Mount> = mounts.collect::<Option<_>>().ok_or_else(wrong)?;
    if let Some(twice) = repeated(&mounts) {
        return Err(format!("{twice}/ is mapped to two folders; leave one out"));
    }
    if mounts.is_empty() {
        return Err(wrong());
    }
    Ok(mounts)
}

/// Parses the mounts of files that clients may get, below a path of their own.
pub(crate) fn public(text: &str) -> Result<Vec<Mount>, String> {
    let mounts = mounts(text)?;
    match mounts.iter().any(|mount| mount.url.is_empty()) {
        true => Err("/ would hide the whole application; name a path below it".to_owned()),
        false => Ok(mounts),
    }
}

/// Parses a single mount of files that clients may get.
pub(crate) fn one(text: &str) -> Result<Mount, String> {
    let mut mounts = public(text)?;
    match mounts.pop() {
        Some(mount) if mounts.is_empty() => Ok(mount),
        _ => Err("name one folder only".to_owned()),
    }
}

/// Parses paths of URLs, separated by spaces, line breaks or commas, without slashes at their ends.
pub(crate) fn paths(text: &str) -> Result<Vec<String>, String> {
    let paths: Vec<&str> = words(text).collect();
    if paths.is_empty() || !paths.iter().all(|path| is_plain(path)) {
        return Err("write paths of this site, for example /tiles".to_owned());
    }
    let trimmed = paths
        .iter()
        .map(|path| path.trim_end_matches('/').to_owned());
    Ok(trimmed.collect())
}

/// Splits at the whitespace before each word that begins with a slash.
fn entries(text: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let mut begin = 0;
    let mut was_space = false;
    for (at, character) in text.char_indices() {
        if was_space && character == '/' {
            entries.push(text[begin..at].trim());
            begin = at;
        }
        was_space = character.is_whitespace();
    }
    entries.push(text[begin..].trim());
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Returns whether requests and header fields can have this path as a prefix, written in the same
/// way: it is absolute, and has no empty name, `.`, `..`, query, fragment or encoded character.
fn is_plain(url: &str) -> bool {
    let Some(rest) = url.strip_prefix('/') else {
        return false;
    };
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@+,:!$()'*;/".contains(&byte);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let names = || rest.split('/');
    rest.bytes().all(is_safe)
        && (rest.is_empty() || names().all(|name| !matches!(name, "" | "." | "..")))
}

fn repeated(mounts: &[Mount]) -> Option<&str> {
    let mut urls: Vec<&str> = mounts.iter().map(|mount| mount.url.as_str()).collect();
    urls.sort_unstable();
    let pairs = urls.windows(2);
    pairs
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .next()
}
