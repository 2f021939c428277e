//! `?q=words`: the pages at and below a folder that contain all of these words.

mod query;
mod snippet;
#[cfg(test)]
mod tests;

use euryale::{Abort, Response, Transaction};
use http::StatusCode;
use minijinja::{Value, context};

use self::query::Query;
use crate::pages::navigation::sections;
use crate::pages::page::{Pages, View, html};
use crate::store::{self, Document, Engine, Hit, Hits, Tokenizer, with_tokenizer};

/// The maximum number of pages that are shown.
const MOST: usize = 20;

/// The maximum number of characters of a document that are searched for the words to show a
/// snippet. Words further behind are not shown.
const LOOKED_AT: usize = 128 << 10;

/// The page of results.
pub(crate) fn answer(
    pages: &Pages,
    folder: &Document,
    words: &str,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let words = words.trim();
    let (hits, results) = with_tokenizer(|tokenizer| {
        let query = Query::new(words, tokenizer)?;
        let hits = if query.is_empty() {
            Hits::default()
        } else {
            store::search(connection, &folder.path, query.phrases(), MOST, LOOKED_AT)?
        };
        let shown = hits.best.iter().flat_map(|hit| [&*hit.title, &*hit.body]);
        tokenizer.learn(shown)?;
        let results: store::Result<Vec<Value>> = hits
            .best
            .iter()
            .map(|hit| result(pages, hit, &query, tokenizer))
            .collect();
        results.map(|results| (hits, results))
    })?;
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
            count => grouped(hits.count),
            more => hits.more,
            folder => folder_link,
            home => pages.home(),
            everywhere,
        },
    )?;
    let sections = sections(connection)?;
    let view = View {
        title: "Search",
        sections: Some(&sections),
        body: fragment,
        search_in: &folder.path,
        words,
        ..View::default()
    };
    Ok(html(StatusCode::OK, pages.render(&view)?))
}

/// In groups of three digits.
fn grouped(count: usize) -> String {
    match (count / 1000, count % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

fn result(pages: &Pages, hit: &Hit, query: &Query, tokenizer: &Tokenizer) -> store::Result<Value> {
    let title = snippet::marked(&hit.title, query, tokenizer)?;
    let snippet = snippet::of_source(&hit.body, hit.format, query, tokenizer)?;
    Ok(context! {
        href => pages.href(&hit.path),
        path => pages.seen(&hit.path),
        title => Value::from_safe_string(title),
        snippet => Value::from_safe_string(snippet),
    })
}
