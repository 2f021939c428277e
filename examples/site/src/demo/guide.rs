//! The guide of the crate `euryale` as pages of the site, from the same files.
//!
//! These files are written for rustdoc: their examples have hidden lines, and their links are Rust
//! paths. Here such lines are left out, and links lead to pages of this site or become plain text.

use std::borrow::Cow;

use crate::demo::content::{self, Sample};

/// The folder of the guide. Its own page is one of the other samples.
pub(crate) const FOLDER: &str = "/guides/programming";

/// A page of the guide: path, title and text.
macro_rules! page {
    ($name:literal, $title:literal) => {
        (
            concat!("/guides/programming/", $name),
            $title,
            include_str!(concat!(
                "../../../../crates/euryale/src/guide/",
                $name,
                ".md"
            )),
        )
    };
}

/// In the order in which the folder lists them. A page precedes those below it.
const PAGES: [(&str, &str, &str); 24] = [
    page!("from_zope", "Coming from Zope or WSGI"),
    page!(
        "from_wsgi_servers",
        "Coming from waitress, gunicorn or uWSGI"
    ),
    page!(
        "from_celery",
        "Coming from collective.futures, Celery or gevent"
    ),
    page!("from_diesel", "Coming from diesel or deadpool in axum"),
    page!("plone_in_ten_minutes", "Plone in ten minutes"),
    page!("five_programs", "Five programs"),
    page!("choosing_the_cap", "Choosing the cap"),
    page!("what_happens_when", "What happens when"),
    page!("writing_a_database", "Writing a database"),
    page!("writing_a_transform", "Writing a transform"),
    page!("deploying", "Deploying"),
    page!("glossary", "Glossary"),
    page!("why", "Why it is made this way"),
    page!("why/pool", "Why: the pool and its workers"),
    page!("why/transactions", "Why: transactions and promises"),
    page!("why/errors", "Why: errors"),
    page!("why/uploads", "Why: request bodies and stored files"),
    page!("why/files", "Why: files in responses"),
    page!("why/server", "Why: the server"),
    page!("why/transforms", "Why: transforms, tiles and themes"),
    page!("why/processes", "Why: one front, and publisher processes"),
    page!("why/proxies", "Why: proxies"),
    page!("why/threads", "Why: blocking threads, and the site"),
    page!("why/crates", "Why: crates, extensions, counters"),
];

pub(crate) fn samples() -> impl Iterator<Item = Sample> {
    PAGES.into_iter().map(|(path, title, text)| Sample {
        path,
        title,
        body: Cow::Owned(from_rustdoc(text)),
    })
}

/// Turns Markdown for rustdoc into Markdown for the site.
pub(crate) fn from_rustdoc(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    let mut prose = String::new();
    // Whether the current code block is Rust; none outside of code blocks.
    let mut is_rust = None;
    for line in text.split_inclusive('\n') {
        match (line.trim_start().strip_prefix("```"), is_rust) {
            (Some(language), None) => {
                page.push_str(&linked(&prose));
                prose.clear();
                let code_is_rust = matches!(language.trim(), "" | "no_run" | "ignore");
                page.push_str(line.trim_end());
                if code_is_rust {
                    page.truncate(page.len() - language.trim().len());
                    page.push_str("rust");
                }
                page.push('\n');
                is_rust = Some(code_is_rust);
            }
            (Some(_), Some(_)) => {
                page.push_str(line);
                is_rust = None;
            }
            (None, Some(true)) if is_hidden(line) => {}
            (None, Some(_)) => page.push_str(line),
            (None, None) => prose.push_str(line),
        }
    }
    page.push_str(&linked(&prose));
    page
}

/// Returns whether rustdoc hides a line of an example.
fn is_hidden(line: &str) -> bool {
    let line = line.trim();
    line == "#" || line.starts_with("# ")
}

/// Prose whose links lead to pages of the site, or are plain text.
fn linked(prose: &str) -> String {
    let mut linked = String::with_capacity(prose.len());
    let mut rest = prose;
    while let Some((before, link)) = rest.split_once('[') {
        linked.push_str(before);
        let Some((text, after)) = link.split_once(']') else {
            linked.push('[');
            rest = link;
            continue;
        };
        let (address, end) = match target(after) {
            Some((target, end)) => (address(target), end),
            None => (shortcut(text), 0),
        };
        match address {
            Some(address) => linked.push_str(&format!("[{text}]({address})")),
            // Brackets that are not a link are kept.
            None if end == 0 => linked.push_str(&format!("[{text}]")),
            None => linked.push_str(text),
        }
        rest = &after[end..];
    }
    linked.push_str(rest);
    linked
}

/// The target in parentheses at the beginning of `text`, and where they end.
fn target(text: &str) -> Option<(&str, usize)> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text[..at].strip_prefix('(').map(|target| (target, at + 1));
        }
    }
    None
}

/// The address of a page that is named like a module of the guide.
fn shortcut(text: &str) -> Option<String> {
    let name = text.strip_prefix('`')?.strip_suffix('`')?;
    let address = format!("{FOLDER}/why/{name}");
    let is_there = PAGES.iter().any(|(path, ..)| *path == address);
    is_there.then_some(address)
}

/// The address on this site for a rustdoc target, if there is one.
fn address(target: &str) -> Option<String> {
    if let Some(page) = target.strip_prefix("crate::guide::") {
        return Some(format!("{FOLDER}/{}", page.replace("::", "/")));
    }
    if target == "crate" {
        return layer("stack");
    }
    if let Some(item) = target.strip_prefix("crate::") {
        return layer(item.split("::").next()?);
    }
    if let Some(crate_) = target.strip_prefix("https://docs.rs/euryale-") {
        return layer(crate_.split('/').next()?);
    }
    Some(target.to_owned())
}

/// The page of the layer called `name`.
fn layer(name: &str) -> Option<String> {
    let address = format!("/layers/{name}");
    content::has(&address).then_some(address)
}
