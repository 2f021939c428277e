//! Parses the path of a request into names of files.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// The file or folder that a request's path names, decoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The path below the root, without `..`, `.` and empty segments.
    pub(super) path: PathBuf,
    /// Whether the path ends with a slash and therefore means the index of a folder.
    pub(super) is_folder: bool,
}

/// The reason why a request is refused before a file is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The method is neither `GET` nor `HEAD` (405).
    Method,
    /// A name that no file has (404).
    Unknown,
    /// A name that no file can have (400).
    Malformed,
}

const INDEX: &str = "index.html";

impl Name {
    pub(super) fn of(path: &str, dotfiles: bool) -> Result<Self, Refused> {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let is_folder = rest.is_empty() || rest.ends_with('/');
        let mut found = PathBuf::new();
        for (depth, segment) in rest
            .strip_suffix('/')
            .unwrap_or(rest)
            .split('/')
            .enumerate()
        {
            if rest.is_empty() {
                break;
            }
            let name = decoded(segment)?;
            let is_hidden = name.as_bytes().starts_with(b".");
            if is_hidden && !dotfiles && !(depth == 0 && name == ".well-known") {
                return Err(Refused::Unknown);
            }
            found.push(name);
        }
        if is_folder {
            found.push(INDEX);
        }
        Ok(Self {
            path: found,
            is_folder,
        })
    }
}

/// Decodes one segment. An encoded slash does not separate segments, and a double encoding is
/// decoded only once.
fn decoded(segment: &str) -> Result<OsString, Refused> {
    let name: Vec<u8> = percent_decode_str(segment).collect();
    if name.contains(&0) {
        return Err(Refused::Malformed);
    }
    if name.contains(&b'/') || matches!(&name[..], b"" | b"." | b"..") {
        return Err(Refused::Unknown);
    }
    Ok(OsString::from_vec(name))
}

/// Returns the location of a folder with its slash. The location is relative, so that it is right
/// under any prefix and cannot lead to another host.
pub(super) fn with_slash(path: &str, query: Option<&str>) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("./{last}/{query}")
}

/// Returns the path with one more extension.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
