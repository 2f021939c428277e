//! The paths that a file of Rust code contains: in its imports, and in its other code.

use std::collections::BTreeSet;

use crate::source::{Source, is_identifier};

/// What a file says about other files. Code that is compiled for tests only is left out.
pub(crate) struct Contents {
    pub(crate) paths: Vec<Named>,
    /// The names of items that are defined here.
    pub(crate) items: BTreeSet<String>,
}

/// A path, as it is written.
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    /// The modules within the file that contain it, from the outside in.
    pub(crate) within: Vec<String>,
    pub(crate) place: Place,
}

pub(crate) enum Place {
    /// `use`, with the name that it brings into the module.
    Import {
        name: String,
        public: bool,
    },
    Code,
}

struct Token<'a> {
    line: usize,
    text: &'a str,
}

const DEFINITIONS: [&str; 8] = [
    "struct", "enum", "trait", "fn", "type", "const", "static", "union",
];

impl Contents {
    pub(crate) fn read(source: &Source) -> Self {
        let tokens = without_tests(tokens(source));
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let mut contents = Self {
            paths: Vec::new(),
            items: BTreeSet::new(),
        };
        let mut within: Vec<(String, usize)> = Vec::new();
        let mut depth = 0_usize;
        let mut at = 0;
        while at < tokens.len() {
            let line = tokens[at].line;
            let names = || within.iter().map(|(name, _)| name.clone()).collect();
            match text(at) {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    within.retain(|(_, outside)| *outside < depth);
                }
                "mod" if text(at + 2) == "{" => {
                    contents.items.insert(text(at + 1).to_owned());
                    within.push((text(at + 1).to_owned(), depth));
                }
                // `impl Trait + use<'a>` is not an import.
                "use" if text(at + 1) != "<" => {
                    let public = at > 0 && matches!(text(at - 1), "pub" | ")");
                    let mut leaves = Vec::new();
                    at = tree(&tokens, at + 1, &[], &mut leaves);
                    contents
                        .paths
                        .extend(leaves.into_iter().map(|(path, name)| Named {
                            line,
                            path,
                            within: names(),
                            place: Place::Import { name, public },
                        }));
                }
                word if DEFINITIONS.contains(&word) => {
                    contents.items.insert(text(at + 1).to_owned());
                }
                word if word.starts_with(is_identifier) && text(at + 1) == "::" => {
                    let mut path = vec![word.to_owned()];
                    while text(at + 1) == "::" && text(at + 2).starts_with(is_identifier) {
                        path.push(text(at + 2).to_owned());
                        at += 2;
                    }
                    contents.paths.push(Named {
                        line,
                        path,
                        within: names(),
                        place: Place::Code,
                    });
                }
                _ => {}
            }
            at += 1;
        }
        contents
    }
}

/// Collects the paths of an import from `at` on, each with the name that it gets. Returns where the
/// tree ends.
fn tree(
    tokens: &[Token<'_>],
    mut at: usize,
    before: &[String],
    leaves: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let mut path = before.to_vec();
    let mut alias = None;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = tree(tokens, at, &path, leaves);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "::" => {}
            "as" => {
                alias = tokens.get(at + 1).map(|token| token.text.to_owned());
                at += 1;
            }
            "self" if !path.is_empty() && path == before => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if let Some(name) = alias.or_else(|| path.last().cloned()) {
        leaves.push((path, name));
    }
    at
}

/// Words, `::`, and single characters.
fn tokens(source: &Source) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for line in source.lines() {
        let mut rest = line.code.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("::") {
                2
            } else if is_identifier(first) {
                rest.find(|c| !is_identifier(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (text, tail) = rest.split_at(length);
            tokens.push(Token {
                line: line.number,
                text,
            });
            rest = tail.trim_start();
        }
    }
    tokens
}

/// Drops the items that have the attribute `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let starts_with = |at: usize, words: &[&str]| {
        let there = tokens[at..].iter().map(|token| token.text);
        there.take(words.len()).eq(words.iter().copied())
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if starts_with(at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = end_of_item(&tokens, at + 7);
        } else {
            kept.push(at);
            at += 1;
        }
    }
    let mut kept = kept.into_iter().peekable();
    let tokens = tokens.into_iter().enumerate();
    tokens
        .filter(|(at, _)| kept.next_if_eq(at).is_some())
        .map(|(_, token)| token)
        .collect()
}

fn end_of_item(tokens: &[Token<'_>], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            // The end of the item, or of what contains it.
            "}" if depth <= 1 => return at + depth,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
