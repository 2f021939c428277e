//! Checks addresses, and removes dots from paths.

/// Returns whether an `href` leads to this site: it has no scheme and no host, and its path cannot
/// become a host. The code that fetches the document resolves it against the page.
pub(crate) fn is_of_this_site(href: &str) -> bool {
    let href = href.trim_ascii();
    let href = href.split_once('#').map_or(href, |(before, _)| before);
    // A browser reads `\` as `/`, and other code that reads the path later may do the same.
    if href.starts_with("//") || href.contains('\\') || has_scheme(href) {
        return false;
    }
    let path = href.split_once('?').map_or(href, |(path, _)| path);
    // `/.//host` must not become `//host`.
    !without_dots(path).starts_with("//")
}

/// Returns whether a reference begins with a scheme (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Removes `.` and `..` from a path (RFC 3986 §5.2.4).
///
/// `euryale-subrequest` has a copy of this function, because this crate depends on no other member.
pub(crate) fn without_dots(path: &str) -> String {
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
    use super::*;

    #[test]
    fn an_href_with_a_scheme_or_a_host_leads_out_of_the_site() {
        for href in ["/a", "a/b?x=http://b", "../a:b", "?x", "", "/a//b", "1:2"] {
            assert!(is_of_this_site(href), "{href}");
        }
        let foreign = [
            "https://a/",
            "//a",
            " //a",
            "mailto:a",
            "/\\a",
            "/.//a",
            "/b/../..//a",
        ];
        for href in foreign {
            assert!(!is_of_this_site(href), "{href}");
        }
    }

    #[test]
    fn dots_are_removed_from_a_path() {
        for (path, expected) in [
            ("/a/./b/../c", "/a/c"),
            ("../a", "a"),
            ("/a/..", "/"),
            ("a/.", "a/"),
        ] {
            assert_eq!(without_dots(path), expected);
        }
    }
}
