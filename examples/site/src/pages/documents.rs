//! Pages: a document, or a folder with its contents.

use std::collections::HashSet;

use euryale::tiles::HasTiles;
use euryale::{Abort, Request, Response, Transaction};
use http::{HeaderValue, StatusCode, Uri, header};
use minijinja::{Value, context};
use percent_encoding::percent_decode_str;

use crate::pages::conditions::tagged;
use crate::pages::navigation::sections;
use crate::pages::notice::Notice;
use crate::pages::page::{Pages, View, html, text};
use crate::pages::refusal::Refusal;
use crate::pages::{address, markdown, missing, requested};
use crate::store::{self, Document, Engine, Entry, FileEntry, Format, Portion, Range};

/// The number of pages, and of files, that a folder lists on one page.
const MOST_LISTED: usize = 100;

/// The entry at an address.
pub(crate) enum Item {
    Document(Document),
    File(FileEntry),
}

/// Answers with the entry at the path; 404 if there is none, 308 if a document's address only has a
/// slash too many at its end. Some addresses have a default.
pub(crate) fn find(
    pages: &Pages,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Item, Abort> {
    let connection = transaction.connection()?;
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let path = address::normal(&path);
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
    if let Some(response) = requested::default_of(request) {
        return Err(Abort::response(response));
    }
    Err(missing::abort(pages, &path, request, connection))
}

/// The page of a document, with the tiles at these addresses.
pub(crate) fn show(
    pages: &Pages,
    document: &Document,
    tiles: &[String],
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let sections = sections(connection)?;
    // The root lists no pages, because they are the sections in the navigation of every page.
    let range = listed(1);
    let children = if document.path == "/" {
        Portion::default()
    } else {
        store::children(connection, &document.path, range)?
    };
    let files = store::files(connection, &document.path, range)?;
    let goes_on = children.more || files.more;
    let notice = Notice::of(request, document);
    let (body, links) = rendered(pages, document.format, &document.body);
    let is_unlinked = |child: &&Entry| !links.contains(&child.path);
    let unlinked: Vec<_> = children
        .entries
        .iter()
        .filter(is_unlinked)
        .cloned()
        .collect();
    let view = View {
        title: &document.title,
        path: Some(&document.path),
        sections: Some(&sections),
        ancestors: &store::ancestors(connection, &document.path)?,
        body,
        tiles,
        children: &unlinked,
        is_folder: !children.entries.is_empty(),
        files: &files.entries,
        more: goes_on.then(|| list_address(pages, &document.path, 2)),
        modified: Some(&document.modified),
        notice: notice.map(Notice::text),
        ..View::default()
    };
    let page = pages.render(&view)?;
    if tiles.is_empty() && notice.is_none() {
        return Ok(tagged(page, request.headers()));
    }
    let mut response = html(StatusCode::OK, page);
    if notice.is_some() {
        Notice::forget(request, &mut response);
    }
    if !tiles.is_empty() {
        response.extensions_mut().insert(HasTiles);
    }
    Ok(response)
}

/// A text as HTML, and the paths of its links to this site.
pub(crate) fn rendered(pages: &Pages, format: Format, text: &str) -> (String, HashSet<String>) {
    let mut links = HashSet::new();
    let html = match format {
        Format::Markdown => markdown::render(text, |address| {
            links.insert(linked(address));
            pages.target(address)
        }),
        Format::Html => {
            let addresses = text.split("href=\"").skip(1);
            links.extend(
                addresses
                    .filter_map(|rest| rest.split('"').next())
                    .map(linked),
            );
            text.to_owned()
        }
    };
    (html, links)
}

/// The path that an address names.
fn linked(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let path = percent_decode_str(path).decode_utf8_lossy();
    address::normal(path.trim_end_matches('/'))
}

/// `?list=NUMBER`: one part of a folder's list of pages and files, which may be long.
pub(crate) fn list(
    pages: &Pages,
    folder: &Document,
    number: usize,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let range = listed(number);
    let children = store::children(connection, &folder.path, range)?;
    let files = store::files(connection, &folder.path, range)?;
    if children.entries.is_empty() && files.entries.is_empty() {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "The list of this folder is shorter.");
        return Err(refusal.abort_with_navigation(pages, request, transaction));
    }
    let sections = sections(connection)?;
    let mut ancestors = store::ancestors(connection, &folder.path)?;
    ancestors.push(Entry {
        path: folder.path.clone(),
        title: folder.title.clone(),
    });
    let before = (number > 1).then(|| list_address(pages, &folder.path, number - 1));
    let context = context! {
        href => pages.href(&folder.path),
        title => &folder.title,
        number,
        before => before.map(Value::from_safe_string),
    };
    let goes_on = children.more || files.more;
    let view = View {
        title: "All pages",
        sections: Some(&sections),
        ancestors: &ancestors,
        body: pages.fragment("list", context)?,
        children: &children.entries,
        files: &files.entries,
        more: goes_on.then(|| list_address(pages, &folder.path, number + 1)),
        search_in: &folder.path,
        ..View::default()
    };
    Ok(html(StatusCode::OK, pages.render(&view)?))
}

fn listed(number: usize) -> Range {
    Range {
        skip: number.saturating_sub(1).saturating_mul(MOST_LISTED),
        most: MOST_LISTED,
    }
}

fn list_address(pages: &Pages, path: &str, number: usize) -> String {
    format!("{}?list={number}", pages.href(path))
}

/// Redirects to the same address without its last slash. It begins with one slash, because it is
/// the path of a document.
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
