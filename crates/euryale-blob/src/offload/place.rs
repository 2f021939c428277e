//! Maps a file to the place where a proxy finds it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use euryale_core::Blob;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::OffloadTo;

/// A folder, and the proxy's internal location for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    folder: PathBuf,
    prefix: String,
}

/// Everything except RFC 3986's unreserved characters (§2.3): the proxies decode the value, and no
/// part of a name can be an instruction to them.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Map {
    pub(super) fn new(folder: PathBuf, prefix: &str) -> Self {
        Self {
            folder,
            prefix: prefix.trim_end_matches('/').to_owned(),
        }
    }

    /// Parses `FOLDER=PREFIX`, both absolute.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (folder, prefix) = text.split_once('=')?;
        (folder.starts_with('/') && is_plain(prefix)).then(|| Self::new(folder.into(), prefix))
    }
}

/// Returns whether a URL path is safe as a prefix: it has no `..`, encoded or not, and appended
/// text cannot become a query or a fragment.
fn is_plain(prefix: &str) -> bool {
    let decoded: Vec<u8> = percent_decode_str(prefix).collect();
    prefix.starts_with('/')
        && !prefix.contains(['?', '#'])
        && decoded
            .split(|&byte| byte == b'/')
            .all(|name| name != b"..")
}

/// Returns the value of the field for this file, by the deepest folder that contains it, or `None`
/// if there is no such folder.
pub(super) fn value(to: OffloadTo, maps: &[Map], path: &Path) -> Option<HeaderValue> {
    let names = names(path)?;
    let fitting = maps
        .iter()
        .filter_map(|map| Some((map, path.strip_prefix(&map.folder).ok()?)));
    let (map, _) = fitting.min_by_key(|(_, below)| below.components().count())?;
    let depth = names.len().checked_sub(self::names(&map.folder)?.len())?;
    let (mut value, names) = match to {
        OffloadTo::Accel => (map.prefix.clone(), &names[names.len() - depth..]),
        OffloadTo::Sendfile => (String::new(), &names[..]),
    };
    if depth == 0 {
        return None;
    }
    for name in names {
        value.push('/');
        value.extend(percent_encode(name, ESCAPED));
    }
    HeaderValue::try_from(value).ok()
}

/// Returns the names in an absolute path without `..`.
fn names(path: &Path) -> Option<Vec<&[u8]>> {
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return None;
    }
    let name = |component| match component {
        Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    };
    components.map(name).collect()
}

/// Returns whether the file at this path is still the blob's file, and the blob is all of it.
/// Blocks on the file system.
pub(super) fn is_still_there(blob: &Blob, path: &Path) -> io::Result<bool> {
    let named = fs::metadata(path)?;
    let open = blob.file().metadata()?;
    let is_same = (named.dev(), named.ino()) == (open.dev(), open.ino());
    Ok(is_same && blob.offset() == 0 && blob.len() == open.len())
}
