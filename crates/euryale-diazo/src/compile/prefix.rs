//! Converts addresses in a theme, which are relative to its files, to absolute addresses on the
//! site.

use crate::address::without_dots;

use crate::dom::{Dom, Id, Kind, Name};

/// The base of relative addresses. If it is empty, they are not changed.
#[derive(Debug)]
pub(super) struct Prefix {
    base: String,
    own: Option<Own>,
}

/// A theme that has one address in Plone and another one in this program.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// `++theme++NAME/`.
    name: String,
    prefix: String,
}

impl Own {
    pub(super) fn new(name: &str, prefix: &str) -> Self {
        Self {
            name: format!("++theme++{name}/"),
            prefix: prefix.trim_end_matches('/').to_owned(),
        }
    }

    /// Returns the address of a file of the theme, if it is one.
    fn address(&self, url: &str) -> Option<String> {
        let path = url.strip_prefix('/').unwrap_or(url);
        let rest = path.strip_prefix(&self.name)?;
        Some(format!("{}/{rest}", self.prefix))
    }
}

/// Returns the address of a style sheet that a manifest names, whose path begins at the site's
/// root.
pub(super) fn style(written: &str, own: Option<&Own>) -> String {
    let address = own.and_then(|own| own.address(written));
    address.unwrap_or_else(|| join("/", written))
}

const STYLE: Name = Name::of(b"style");

impl Prefix {
    /// Combines the program's prefix with the theme's own, which is relative to it.
    pub(super) fn new(base: Option<&str>, theme: Option<&str>, own: Option<Own>) -> Self {
        let mut prefix = match (base, theme) {
            (Some(base), Some(theme)) => join(base, theme),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => String::new(),
        };
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Self { base: prefix, own }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.base.is_empty()
    }

    fn resolve(&self, url: &str) -> String {
        let own = self.own.as_ref().and_then(|own| own.address(url));
        own.unwrap_or_else(|| join(&self.base, url))
    }

    /// Returns the converted value of an attribute.
    pub(super) fn attribute(&self, name: &str, value: &str) -> String {
        if self.is_empty() {
            return value.to_owned();
        }
        match name.to_ascii_lowercase().as_str() {
            "src" => self.resolve(value),
            "href" | "xlink:href" if !value.starts_with('#') => self.resolve(value),
            "srcset" => {
                let one = |candidate: &str| {
                    let candidate = candidate.trim();
                    match candidate.split_once(char::is_whitespace) {
                        Some((url, size)) => format!("{} {}", self.resolve(url), size.trim()),
                        None => self.resolve(candidate),
                    }
                };
                value.split(',').map(one).collect::<Vec<_>>().join(", ")
            }
            _ => value.to_owned(),
        }
    }

    /// Converts addresses in texts: a style sheet in the page may import others, and a conditional
    /// comment contains HTML for old browsers.
    pub(super) fn text(&self, dom: &Dom<'_>, id: Id, html: String) -> String {
        let node = dom.node(id);
        if self.is_empty() {
            return html;
        }
        match node.kind {
            Kind::Text if dom.node(node.parent).name == STYLE => self.imports(&html),
            Kind::Comment if dom.comment(id).starts_with("[if") => self.tags(&self.imports(&html)),
            _ => html,
        }
    }

    /// Converts `@import "a.css"` and `@import url(a.css)`.
    fn imports(&self, css: &str) -> String {
        let mut out = String::with_capacity(css.len());
        let mut rest = css;
        let import = |css: &str| {
            let is_import = |at: &usize| {
                css.get(*at..*at + 7)
                    .is_some_and(|w| w.eq_ignore_ascii_case("@import"))
            };
            css.match_indices('@').map(|(at, _)| at).find(is_import)
        };
        while let Some(at) = import(rest) {
            let (before, after) = rest.split_at(at + "@import".len());
            out.push_str(before);
            let start = after.trim_start_matches([' ', '\t']);
            let opened = match start.get(..4) {
                Some(call) if call.eq_ignore_ascii_case("url(") => {
                    start[4..].trim_start_matches([' ', '\t'])
                }
                _ => start,
            };
            let address = opened.trim_start_matches(['"', '\'']);
            let end = address
                .find(['"', '\'', ')', ';', ' ', '\n'])
                .unwrap_or(address.len());
            out.push_str(&after[..after.len() - address.len()]);
            out.push_str(&self.resolve(&address[..end]));
            rest = &address[end..];
        }
        out.push_str(rest);
        out
    }

    /// Converts `src` and `href` in text.
    fn tags(&self, html: &str) -> String {
        let mut out = String::with_capacity(html.len());
        let mut rest = html;
        loop {
            let is_address =
                |at: &usize| rest[..*at].ends_with("src=") || rest[..*at].ends_with("href=");
            let Some(at) = rest
                .match_indices('=')
                .map(|(at, _)| at + 1)
                .find(is_address)
            else {
                break;
            };
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let address = after.trim_start_matches(['"', '\'']);
            out.push_str(&after[..after.len() - address.len()]);
            let end = address.find(['"', '\'', '>', ' ']).unwrap_or(address.len());
            let (address, more) = address.split_at(end);
            out.push_str(&if address.starts_with('#') {
                address.to_owned()
            } else {
                self.resolve(address)
            });
            rest = more;
        }
        out.push_str(rest);
        out
    }
}

/// Returns whether the address has a scheme.
fn is_elsewhere(url: &str) -> bool {
    let scheme = url
        .find([':', '/', '?', '#'])
        .filter(|at| url.as_bytes()[*at] == b':' && *at > 0);
    url.starts_with("//") || scheme.is_some()
}

/// Resolves an address (RFC 3986 §5.2). The part of `base` after its last slash is ignored.
fn join(base: &str, url: &str) -> String {
    if is_elsewhere(url) {
        return url.to_owned();
    }
    let path_starts = match base.find("://") {
        Some(at) => base[at + 3..]
            .find('/')
            .map_or(base.len(), |slash| at + 3 + slash),
        None if base.starts_with("//") => base[2..].find('/').map_or(base.len(), |slash| slash + 2),
        None => 0,
    };
    let (origin, base_path) = base.split_at(path_starts);
    if url.is_empty() {
        return base.to_owned();
    }
    let cut = url.find(['?', '#']).unwrap_or(url.len());
    let (path, rest) = url.split_at(cut);
    if path.is_empty() {
        return format!("{base}{rest}");
    }
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = base_path
            .rfind('/')
            .map_or("", |slash| &base_path[..=slash]);
        format!("{folder}{path}")
    };
    format!("{origin}{}{rest}", without_dots(&whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_resolved_by_rfc_3986() {
        let cases = [
            ("a.css", "/t/a.css"),
            ("../a.css", "/a.css"),
            ("./a/../b.css", "/t/b.css"),
            ("/a.css", "/a.css"),
            ("//host/a", "//host/a"),
            ("http://host/a", "http://host/a"),
            ("data:image/png;base64,AA", "data:image/png;base64,AA"),
            ("?q=1", "/t/?q=1"),
            ("", "/t/"),
            ("a:b/c", "a:b/c"),
            ("a?b=./c", "/t/a?b=./c"),
        ];
        for (url, expected) in cases {
            assert_eq!(join("/t/", url), expected, "{url}");
        }
        assert_eq!(join("http://cdn/t/", "/a"), "http://cdn/a");
        assert_eq!(join("http://cdn/t/", "a"), "http://cdn/t/a");
    }

    #[test]
    fn a_style_sheet_and_an_old_comment_are_rewritten() {
        let prefix = Prefix::new(Some("/t"), None, None);
        assert_eq!(
            prefix.imports("@import \"a.css\";@import url(b.css);"),
            "@import \"/t/a.css\";@import url(/t/b.css);"
        );
        assert_eq!(
            prefix.tags("<!--[if IE]><script src=\"a.js\"></script>"),
            "<!--[if IE]><script src=\"/t/a.js\"></script>"
        );
        assert_eq!(
            prefix.attribute("srcset", "a.png 1x, b.png 2x"),
            "/t/a.png 1x, /t/b.png 2x"
        );
        assert_eq!(prefix.attribute("href", "#top"), "#top");
    }
}
