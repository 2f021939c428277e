//! Files that an application names instead of sending them: `X-Sendfile` and `X-Accel-Redirect`.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use euryale_core::{Body, Response};
use http::StatusCode;
use http::header::CONTENT_RANGE;
use percent_encoding::percent_decode;

use crate::settings::Mount;
use crate::start::Head;

/// The file that an application has named in the head of its answer, as an extension of the
/// response. The host sends this file in place of the body, or refuses to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedFile {
    /// The bytes of `X-Sendfile`: an absolute path of the file system. Apache's mod_xsendfile and
    /// lighttpd decode it, Werkzeug and django-sendfile2 do not encode it.
    Path(Vec<u8>),
    /// The bytes of `X-Accel-Redirect`: a percent-encoded path of a URL, as nginx reads it.
    Url(Vec<u8>),
}

impl NamedFile {
    /// Returns the value of one of the two fields as a file. `None` for any other field.
    pub(crate) fn of(field: &str, value: &[u8]) -> Option<Self> {
        match field {
            "x-sendfile" => Some(Self::Path(value.to_owned())),
            "x-accel-redirect" => Some(Self::Url(value.to_owned())),
            _ => None,
        }
    }

    /// Returns the file's name below `mount`, of which `mount.folder` is absolute, or `None` if it
    /// is not below it.
    ///
    /// A path counts as it is written, and then decoded. Both have to be below the folder in
    /// letters. The host has to open the file in such a way that no link leads out of it.
    #[must_use]
    pub fn below(&self, mount: &Mount) -> Vec<PathBuf> {
        match self {
            Self::Path(path) => {
                let decoded: Vec<u8> = percent_decode(path).collect();
                let both = [path, &decoded].into_iter();
                let mut found: Vec<PathBuf> = both
                    .filter_map(|path| path_below(path, &mount.folder))
                    .collect();
                found.dedup();
                found
            }
            Self::Url(url) => {
                let path = url.split(|byte| *byte == b'?').next().unwrap_or_default();
                let below = path.strip_prefix(mount.url.as_bytes());
                let below = below.and_then(|below| below.strip_prefix(b"/"));
                let decoded = below.map(|below| percent_decode(below).collect::<Vec<u8>>());
                decoded.and_then(|name| plain(&name)).into_iter().collect()
            }
        }
    }
}

/// Writes the field and its value, for the log.
impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, value) = match self {
            Self::Path(path) => ("X-Sendfile", path),
            Self::Url(url) => ("X-Accel-Redirect", url),
        };
        write!(f, "{field}: {:?}", String::from_utf8_lossy(value))
    }
}

/// Returns the answer without its body. A part that the application has chosen (Werkzeug does) is
/// forgotten, because the server chooses it from the file.
pub(crate) fn response(mut head: Head, file: NamedFile) -> Response {
    if head.status == StatusCode::PARTIAL_CONTENT {
        head.status = StatusCode::OK;
        head.reason = None;
        head.headers.remove(CONTENT_RANGE);
    }
    let has_body = ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
    let mut response = head.into_response().map(|()| Body::empty());
    if has_body {
        response.extensions_mut().insert(file);
    }
    response
}

fn path_below(path: &[u8], folder: &Path) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    let below = path.strip_prefix(folder).ok()?;
    plain(below.as_os_str().as_bytes())
}

/// Returns the name of a file if it is relative, and has no `..` and no NUL.
fn plain(name: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(name));
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let is_file = !name.is_empty() && !name.ends_with(b"/") && !name.contains(&0);
    (is_plain && is_file).then(|| path.to_owned())
}
