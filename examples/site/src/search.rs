//! `?q=words`: the pages at and below a folder that have all of these words.

use euryale::{Abort, Response, Transaction};
use euryale_sqlite::Sqlite;
use http::StatusCode;
use minijinja::{HtmlEscape, context};

use crate::documents::sections;
use crate::markdown;
use crate::page::{Pages, View, html};
use crate::store::{self, Document, Format, Hit, MARK};

/// So many pages are shown.
const MOST: usize = 20;

/// A snippet has so many words at most, a few of them before the first one that was found.
const SNIPPET: usize = 32;
const BEFORE: usize = 8;

/// The page of results.
pub(crate) fn answer(
    pages: &Pages,
    folder: &Document,
    words: &str,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let words = words.trim();
    let hits = store::search(connection, &folder.path, words, MOST)?;
    let results: Vec<_> = hits.best.iter().map(|hit| result(pages, hit)).collect();
    let below = folder.path != "/";
    let folder_link =
        below.then(|| context! { href => pages.href(&folder.path), title => &folder.title });
    let everywhere = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", words)
        .finish();
    let fragment = pages.fragment(
        "search",
        context! {
            words,
            results,
            more => hits.more,
            folder => folder_link,
            home => pages.home(),
            everywhere,
        },
    )?;
    let sections = sections(connection)?;
    let view = View {
        title: "Search",
        sections: &sections,
        body: fragment,
        search_in: &folder.path,
        words,
        ..View::default()
    };
    Ok(html(StatusCode::OK, pages.render(&view)?))
}

fn result(pages: &Pages, hit: &Hit) -> minijinja::Value {
    let text = match hit.format {
        Format::Markdown => markdown::plain(&hit.body),
        Format::Html => without_tags(&hit.body),
    };
    context! {
        href => pages.href(&hit.path),
        path => &hit.path,
        title => marked(&hit.title),
        snippet => marked(&snippet(&text)),
    }
}

/// Escaped, with `<mark>` around what was found; each one that is opened is closed.
pub(crate) fn marked(text: &str) -> minijinja::Value {
    let mut html = String::with_capacity(text.len() + 32);
    let mut open = false;
    for (index, part) in text.split(MARK).enumerate() {
        if index > 0 {
            html.push_str(if open { "</mark>" } else { "<mark>" });
            open = !open;
        }
        html.push_str(&HtmlEscape(part).to_string());
    }
    if open {
        html.push_str("</mark>");
    }
    minijinja::Value::from_safe_string(html)
}

/// The words around the first one that was found, or else the first words.
pub(crate) fn snippet(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let found = words
        .iter()
        .position(|word| word.contains(MARK[0]))
        .unwrap_or(0);
    let first = found.saturating_sub(BEFORE);
    let last = words.len().min(first + SNIPPET);
    let mut snippet = words[first..last].join(" ");
    if first > 0 {
        snippet.insert_str(0, "… ");
    }
    if last < words.len() {
        snippet.push_str(" …");
    }
    snippet
}

/// What is left of HTML for a reader: good enough for a few words around one that was found.
pub(crate) fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    for (index, part) in html.split('<').enumerate() {
        // Before the first one there is no tag.
        let after = if index == 0 {
            part
        } else {
            part.split_once('>').map_or("", |(_, after)| after)
        };
        text.push_str(after);
        text.push(' ');
    }
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
    ];
    let text = entities
        .into_iter()
        .fold(text, |text, (entity, plain)| text.replace(entity, plain));
    text.replace("&amp;", "&")
}
