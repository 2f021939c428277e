//! Pages: a document, or a folder with what stands in it.

use euryale::tiles::HasTiles;
use euryale::{Abort, Request, Response, Transaction};
use euryale_sqlite::{Connection, Sqlite, rusqlite};
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;

use crate::page::{Pages, Problem, View, html, text};
use crate::store::{self, Document, Entry, FileEntry, Format};
use crate::{fingerprint, markdown};

/// What stands at an address.
pub(crate) enum Item {
    Document(Document),
    File(FileEntry),
}

/// What is asked for; 404 when there is nothing, 308 when only a slash at the end of a document's
/// address is too much.
pub(crate) fn find(
    pages: &Pages,
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Item, Abort> {
    let connection = transaction.connection()?;
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    if let Some(document) = store::document(connection, &path)? {
        return Ok(Item::Document(document));
    }
    if let Some(file) = store::file(connection, &path)? {
        return Ok(Item::File(file));
    }
    if let Some(folder) = path.strip_suffix('/')
        && store::document(connection, folder)?.is_some()
    {
        return Err(Abort::response(moved(pages, request.uri())));
    }
    let sections = sections(connection)?;
    let problem = Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
        .sections(&sections);
    Err(Abort::response(pages.problem(&problem, request.headers())))
}

/// The page of a document, with the tiles at these addresses.
pub(crate) fn show(
    pages: &Pages,
    document: &Document,
    tiles: &[String],
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let sections = sections(connection)?;
    // The root lists nothing: its children are the sections, which stand in the navigation of every
    // page.
    let children = if document.path == "/" {
        Vec::new()
    } else {
        store::children(connection, &document.path)?
    };
    let body = match document.format {
        Format::Markdown => markdown::render(&document.body, |path| pages.target(path)),
        Format::Html => document.body.clone(),
    };
    let view = View {
        title: &document.title,
        path: Some(&document.path),
        sections: &sections,
        ancestors: &store::ancestors(connection, &document.path)?,
        body,
        tiles,
        children: &children,
        files: &store::files(connection, &document.path)?,
        modified: Some(&document.modified),
        ..View::default()
    };
    let page = pages.render(&view)?;
    if tiles.is_empty() {
        return Ok(fingerprint::tagged(page, request.headers()));
    }
    let mut response = html(StatusCode::OK, page);
    response.extensions_mut().insert(HasTiles);
    Ok(response)
}

/// What the navigation of every page shows: the root, and what stands in it.
pub(crate) fn sections(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    Ok(std::iter::once(Entry::home())
        .chain(store::children(connection, "/")?)
        .collect())
}

/// To the same address without its last slash. It begins with one slash: a document stands there.
fn moved(pages: &Pages, uri: &Uri) -> Response {
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    let location = uri
        .query()
        .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut response = text("moved\n".to_owned());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    // A part of a URI is always a header's value.
    if let Ok(location) = HeaderValue::try_from(pages.location(&location)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
