//! Resolves references within the site.

use std::fmt;

use http::uri::PathAndQuery;
use http::{Uri, uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// A reference that cannot be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// The reference leads out of the site.
    Foreign,
    /// The reference is not an address.
    Malformed,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the address is outside this site",
            Self::Malformed => "the address is malformed",
        })
    }
}

impl std::error::Error for ReferenceError {}

/// Characters that must be escaped in a URL. `%` is not among them: encoded characters stay
/// encoded.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Resolves a reference against the URL `base` (RFC 3986 §5.2) within the site. A reference with a
/// scheme or an authority is refused, even if it names this site. A fragment is dropped. Paths are
/// those that publishers see, even behind a proxy that rewrites paths.
///
/// # Errors
/// The reference leads out of the site, or is not an address.
pub fn resolve(base: &Uri, reference: &str) -> Result<Uri, ReferenceError> {
    let reference = reference.trim_ascii();
    let reference = reference
        .split_once('#')
        .map_or(reference, |(before, _)| before);
    // A browser reads `\` as `/`, and code that reads the path later may do the same.
    if reference.starts_with("//") || reference.contains('\\') || has_scheme(reference) {
        return Err(ReferenceError::Foreign);
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (path, query) = match path {
        "" => (base.path().to_owned(), query.or(base.query())),
        path if path.starts_with('/') => (without_dots(path), query),
        path => {
            let folder = base
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            (without_dots(&format!("{folder}/{path}")), query)
        }
    };
    // `/.//host` must not become `//host`.
    if path.starts_with("//") {
        return Err(ReferenceError::Foreign);
    }
    let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let target = utf8_percent_encode(&target, ESCAPED).to_string();
    let target = PathAndQuery::try_from(target).map_err(|_| ReferenceError::Malformed)?;
    at(base, target).ok_or(ReferenceError::Malformed)
}

/// Scheme and authority are those of the page, so that code which needs the request's host finds it
/// in the usual place.
fn at(base: &Uri, target: PathAndQuery) -> Option<Uri> {
    let mut parts = uri::Parts::default();
    parts.scheme = base.scheme().cloned();
    parts.authority = base.authority().cloned();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).ok()
}

/// Returns whether a reference begins with a scheme (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    reference
        .find([':', '/', '?'])
        .is_some_and(|at| reference.as_bytes()[at] == b':')
}

/// Removes `.` and `..` from a path (RFC 3986 §5.2.4). A relative path stays relative; leading `..`
/// are dropped, as at the root.
///
/// `euryale-diazo` has a copy of this function. It must not depend on other members, and this crate
/// must not pull in a theme engine.
fn without_dots(path: &str) -> String {
    let (root, segments) = path
        .strip_prefix('/')
        .map_or(("", path), |segments| ("/", segments));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("{root}{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{ReferenceError, resolve, without_dots};

    #[test]
    fn references_are_resolved_against_the_page() {
        let base = "/a/b/page?q=1".parse().unwrap();
        for (reference, target) in [
            ("/tile", "/tile"),
            ("/tile?x=1#part", "/tile?x=1"),
            ("tile", "/a/b/tile"),
            ("./@@news/latest", "/a/b/@@news/latest"),
            ("../tile", "/a/tile"),
            ("../../../../tile", "/tile"),
            ("/x/./y/../z/.", "/x/z/"),
            ("..", "/a/"),
            ("?x=2", "/a/b/page?x=2"),
            ("", "/a/b/page?q=1"),
            (" /tile\n", "/tile"),
            ("/caf\u{e9} \"x\"", "/caf%C3%A9%20%22x%22"),
            ("/100%25", "/100%25"),
            ("/a?u=http://b", "/a?u=http://b"),
            ("/a:b", "/a:b"),
        ] {
            assert_eq!(
                resolve(&base, reference).unwrap().to_string(),
                target,
                "{reference}"
            );
        }
        let base = "http://site:8080/a".parse().unwrap();
        assert_eq!(resolve(&base, "tile").unwrap(), "http://site:8080/tile");
    }

    #[test]
    fn dots_are_removed_by_rfc_3986() {
        for (path, without) in [
            ("/a/b/c/./../../g", "/a/g"),
            ("mid/content=5/../6", "mid/6"),
            ("/../..", "/"),
            ("/a/.", "/a/"),
            ("/a//b/..", "/a//"),
            ("a/../../b", "b"),
            ("..", ""),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(without_dots(path), without, "{path}");
        }
    }

    #[test]
    fn other_sites_are_never_requested() {
        let base = "/page".parse().unwrap();
        for reference in [
            "http://other/x",
            "https://other/x",
            "HTTP:x",
            "//other/x",
            "\\\\other/x",
            "/\\other/x",
            "/.//other/x",
            "x/..//other",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                resolve(&base, reference),
                Err(ReferenceError::Foreign),
                "{reference}"
            );
        }
    }
}
