//! `/@@tiles/…`: parts of the home page. Each is published in its own transaction, and only for the
//! application itself.

use euryale::request::InternalRequest;
use euryale::tiles::Tiles;
use euryale::{Abort, Request, Response, Transaction};
use http::StatusCode;
use minijinja::context;

use crate::demo::COUNTER;
use crate::demo::feed::Feeds;
use crate::pages::documents;
use crate::pages::page::{Pages, Problem, html};
use crate::store::{self, Engine};

/// The path of all tiles.
const PATH: &str = "/@@tiles/";

/// The number of changes that are shown.
const MOST: usize = 5;

/// Composes pages of these tiles, and of no others: documents are written by whoever can reach the
/// site.
pub(crate) fn composer() -> Tiles {
    Tiles::new().allow(|address| address.path().starts_with(PATH))
}

/// The addresses of the home page's tiles.
pub(crate) fn of_home(feeds: &Feeds) -> Vec<String> {
    let news = feeds.has_news().then_some("news");
    ["recent"]
        .into_iter()
        .chain(news)
        .chain(["numbers"])
        .map(|name| format!("{PATH}{name}"))
        .collect()
}

/// The name of the tile at a path.
pub(crate) fn name(path: &str) -> Option<&str> {
    path.strip_prefix(PATH)
}

/// The tile of this name. A request from outside gets no tile, whatever its headers are.
pub(crate) fn answer(
    pages: &Pages,
    feeds: &Feeds,
    name: &str,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    if let Err(refused) = InternalRequest::require(request) {
        // No document has such a name, so this is the answer for anything missing.
        documents::find(pages, request, transaction)?;
        return Err(refused);
    }
    let tile = match name {
        "news" => feeds.news(pages, request)?,
        "numbers" => {
            let connection = transaction.connection()?;
            let (documents, files) = store::numbers(connection)?;
            let count = store::counter(connection)?;
            let counter = pages.own_link(COUNTER);
            pages.fragment("numbers", context! { documents, files, count, counter })?
        }
        "recent" => {
            let recent = store::recent(transaction.connection()?, MOST)?;
            let entry = |(entry, date): &(store::Entry, String)| {
                pages
                    .visible(&entry.path)
                    .map(|href| context! { href, title => &entry.title, date })
            };
            let entries: Vec<_> = recent.iter().filter_map(entry).collect();
            pages.fragment("recent", context! { entries })?
        }
        _ => {
            let problem = Problem::new(StatusCode::NOT_FOUND, "There is no such tile.");
            return Err(Abort::response(pages.problem(&problem, request.headers())));
        }
    };
    Ok(html(StatusCode::OK, tile))
}
