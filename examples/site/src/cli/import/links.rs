//! Rewrites links between notes: from paths of files to addresses of pages.
//!
//! In a folder of notes, a link is the path from one file to another. The address of a page differs
//! from that, and has no extension. So each link to an imported file becomes that file's address;
//! all others stay unchanged.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use crate::pages::address;
use crate::pages::markdown;
use crate::pages::page::encoded;

/// Endings that links between notes leave out.
const ENDINGS: [&str; 4] = ["", ".md", ".html", ".htm"];

/// The destination of each file and each folder.
#[derive(Debug, Default)]
pub(super) struct Places {
    root: PathBuf,
    /// By the name within the root, in NFC and with slashes.
    paths: HashMap<String, String>,
}

impl Places {
    pub(super) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            paths: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, source: &Path, path: &str) {
        if let Some(name) = self.name(source) {
            self.paths.insert(name.join("/"), path.to_owned());
        }
    }

    fn name(&self, source: &Path) -> Option<Vec<String>> {
        let within = source.strip_prefix(&self.root).ok()?;
        let names = within.components().map(|name| match name {
            Component::Normal(name) => name.to_str().map(address::normal),
            _ => None,
        });
        names.collect()
    }

    /// The address to which `link` in the file `source` leads, with its fragment and query, or
    /// `None` if it leads elsewhere.
    pub(super) fn resolve(&self, source: &Path, link: &str) -> Option<String> {
        let end = link.find(['#', '?']).unwrap_or(link.len());
        let (way, rest) = link.split_at(end);
        let first = way.split('/').next().unwrap_or_default();
        // Within the page, from the root of the site, or with a scheme (RFC 3986 §4.2).
        if way.is_empty() || way.starts_with('/') || first.contains(':') {
            return None;
        }
        let way = address::normal(&percent_decode_str(way).decode_utf8().ok()?);
        let mut names = self.name(source)?;
        names.pop();
        for name in way.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    names.pop()?;
                }
                name => names.push(name.to_owned()),
            }
        }
        let name = names.join("/");
        let path = ENDINGS
            .iter()
            .find_map(|ending| self.paths.get(&format!("{name}{ending}")))?;
        // Parentheses would end a link in Markdown.
        let address = encoded(path).replace('(', "%28").replace(')', "%29");
        Some(address + rest)
    }
}

/// Replaces the destinations of links and pictures in Markdown by those that `resolve` returns, if
/// any. Nothing else is changed, and nothing in code or in front matter.
pub(super) fn in_markdown(text: &str, resolve: impl Fn(&str) -> Option<String>) -> String {
    let (matter, text) = markdown::front_matter(text);
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut edit = |place: Option<Range<usize>>, link: &str| {
        let place = place.filter(|place| is_destination(text, place, link));
        if let (Some(place), Some(address)) = (place, resolve(link)) {
            edits.push((place, address));
        }
    };
    let mut events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    for (_, definition) in events.reference_definitions().iter() {
        let start = definition.span.start;
        let place = label_end(&text[definition.span.clone()])
            .and_then(|end| destination(text, start + end));
        edit(place, &definition.dest);
    }
    // Open links, with the end of each one's text as far as it is known.
    let mut open: Vec<(String, usize)> = Vec::new();
    for (event, place) in &mut events {
        if let Event::Start(
            Tag::Link {
                link_type: LinkType::Inline,
                dest_url,
                ..
            }
            | Tag::Image {
                link_type: LinkType::Inline,
                dest_url,
                ..
            },
        ) = &event
        {
            open.push((dest_url.to_string(), place.start));
        } else if matches!(event, Event::End(TagEnd::Link | TagEnd::Image))
            && text[place.clone()].ends_with(')')
            && let Some((link, end)) = open.pop()
        {
            let bracket = text[end..place.end].find("](").map(|at| end + at + 2);
            edit(bracket.and_then(|start| destination(text, start)), &link);
            inner_ends(&mut open, place.end);
        } else {
            inner_ends(&mut open, place.end);
        }
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut linked = matter.to_owned();
    let mut done = 0;
    for (place, address) in edits {
        linked.push_str(&text[done..place.start]);
        linked.push_str(&address);
        done = place.end;
    }
    linked.push_str(&text[done..]);
    linked
}

fn inner_ends(open: &mut [(String, usize)], end: usize) {
    for (_, inner) in open {
        *inner = end.max(*inner);
    }
}

/// Behind `[label]:`, at the beginning of a definition.
fn label_end(definition: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = definition.char_indices().find(|(_, character)| {
        let ends = *character == ']' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        ends
    })?;
    definition[end.0..].starts_with("]:").then_some(end.0 + 2)
}

/// The position of the destination that begins at `start`, possibly after spaces: between `<` and
/// `>`, or up to a space or an unmatched closing parenthesis (CommonMark 0.31, §6.3).
fn destination(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    let start = start + (rest.len() - rest.trim_start().len());
    let (start, is_bracketed) = match text[start..].strip_prefix('<') {
        Some(_) => (start + 1, true),
        None => (start, false),
    };
    let mut depth = 0_usize;
    let mut is_escaped = false;
    for (at, character) in text[start..].char_indices() {
        let ends = match character {
            _ if is_escaped => false,
            '>' if is_bracketed => true,
            _ if is_bracketed => false,
            ')' if depth == 0 => true,
            ')' => {
                depth -= 1;
                false
            }
            '(' => {
                depth += 1;
                false
            }
            _ => character.is_whitespace(),
        };
        if ends {
            return Some(start..start + at);
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    // The end of the text ends a definition.
    (!is_bracketed).then_some(start..text.len())
}

/// Returns whether the text at `place` means `link`, apart from backslashes and entities. It may be
/// something else, because a quotation continues with a `>` between a link's parts.
fn is_destination(text: &str, place: &Range<usize>, link: &str) -> bool {
    let written = &text[place.clone()];
    let alone = if text[..place.start].ends_with('<') {
        format!("[x](<{written}>)")
    } else {
        format!("[x]({written})")
    };
    matches!(
        Parser::new(&alone).nth(1),
        Some(Event::Start(Tag::Link { dest_url, .. })) if *dest_url == *link
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Places, in_markdown};

    fn places() -> Places {
        let mut places = Places::of(Path::new("/notes"));
        for (name, path) in [
            ("", "/"),
            ("index.md", "/"),
            ("a.md", "/a"),
            ("sub", "/sub"),
            ("sub/index.md", "/sub"),
            ("sub/x.md", "/sub/x"),
            ("sub/e\u{301} (1).md", "/sub/\u{e9} (1)"),
            ("sub/img/p.png", "/sub/img/p.png"),
            ("h.html", "/h"),
        ] {
            places.add(&Path::new("/notes").join(name), path);
        }
        places
    }

    #[test]
    fn a_link_leads_to_the_page_of_the_file_that_it_names() {
        let places = places();
        for (from, link, to) in [
            ("a.md", "sub/x.md", Some("/sub/x")),
            ("a.md", "./sub/x.md#part", Some("/sub/x#part")),
            ("a.md", "sub/x", Some("/sub/x")),
            ("a.md", "sub/", Some("/sub")),
            ("a.md", "sub/index.md", Some("/sub")),
            ("a.md", "h.html?q=1#p", Some("/h?q=1#p")),
            ("sub/x.md", "../a.md#part", Some("/a#part")),
            ("sub/index.md", "img/p.png", Some("/sub/img/p.png")),
            ("sub/x.md", "..", Some("/")),
            ("sub/x.md", "%C3%A9%20(1).md", Some("/sub/\u{e9}%20%281%29")),
            ("sub/x.md", "\u{e9} (1)", Some("/sub/\u{e9}%20%281%29")),
            ("a.md", "../outside.md", None),
            ("a.md", "nothing.md", None),
            ("a.md", "/sub/x.md", None),
            ("a.md", "#part", None),
            ("a.md", "?q=1", None),
            ("a.md", "", None),
            ("a.md", "https://example.org/a.md", None),
            ("a.md", "mailto:a.md", None),
            ("a.md", "//example.org/a.md", None),
            ("a.md", "%FF.md", None),
        ] {
            let source = Path::new("/notes").join(from);
            let found = places.resolve(&source, link);
            let to = to.map(|to| to.replace('\u{e9}', "%C3%A9"));
            assert_eq!(found, to, "{from}: {link}");
        }
    }

    fn linked(text: &str) -> String {
        let places = places();
        in_markdown(text, |link| places.resolve(Path::new("/notes/a.md"), link))
    }

    #[test]
    fn links_in_markdown_are_those_of_pages() {
        for (text, expected) in [
            ("[x](sub/x.md)", "[x](/sub/x)"),
            ("[x]( sub/x.md \"T\" )", "[x]( /sub/x \"T\" )"),
            ("[x](<sub/x.md> 'T')", "[x](</sub/x> 'T')"),
            ("[](sub/x.md)[b](h.html)", "[](/sub/x)[b](/h)"),
            ("![p](sub/img/p.png)", "![p](/sub/img/p.png)"),
            (
                "[![p](sub/img/p.png) *b*](sub/x.md)",
                "[![p](/sub/img/p.png) *b*](/sub/x)",
            ),
            ("[a\\](sub/x.md) ](sub/x.md)", "[a\\](sub/x.md) ](/sub/x)"),
            ("[`](`](sub/x.md)", "[`](`](/sub/x)"),
            ("[x][1]\n\n[1]: sub/x.md", "[x][1]\n\n[1]: /sub/x"),
            (
                "[x]\n\n[x]:\n  <sub/x.md#p> (T)\n",
                "[x]\n\n[x]:\n  </sub/x#p> (T)\n",
            ),
            ("> - [x](sub/x.md)\n", "> - [x](/sub/x)\n"),
            ("| [x](sub/x.md) |\n|---|\n", "| [x](/sub/x) |\n|---|\n"),
        ] {
            assert_eq!(linked(text), expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_link_to_a_note_is_unchanged() {
        for text in [
            "`[x](sub/x.md)`",
            "```\n[x](sub/x.md)\n[1]: sub/x.md\n```\n",
            "    [x](sub/x.md)\n",
            "\\[x](sub/x.md)",
            "sub/x.md <https://example.org/sub/x.md>",
            "[x](nothing.md) [y](/sub/x.md) [z](#part)",
            "<!-- [x](sub/x.md) -->\n",
            "---\nup: \"[x](sub/x.md)\"\n---\n",
            "",
        ] {
            assert_eq!(linked(text), text);
        }
    }

    /// The text between `](` and the destination is not always white space.
    #[test]
    fn only_the_destination_of_a_link_is_replaced() {
        for text in [
            "> [x](\n> sub/x.md)\n",
            "> > [x](\n> > sub/x.md 'T')\n",
            "> [x]:\n> sub/x.md\n\n[x]\n",
        ] {
            assert_eq!(linked(text), text);
        }
        for (text, expected) in [
            ("[x](sub\\/x.md)", "[x](/sub/x)"),
            ("[x](sub&#47;x.md)", "[x](/sub/x)"),
            ("[x](<sub\\/x&period;md>)", "[x](</sub/x>)"),
            ("[x]\n\n[x]: sub&#x2f;x.md\n", "[x]\n\n[x]: /sub/x\n"),
            ("- [x](\n  sub/x.md)\n", "- [x](\n  /sub/x)\n"),
        ] {
            assert_eq!(linked(text), expected, "{text}");
        }
    }
}
