//! Removing documents and files: `DELETE`, or a page for browsers that asks first.

use euryale::respond::accepts_html;
use euryale::store::FolderStore;
use euryale::{Abort, Body, Request, Response, Transaction};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use minijinja::context;

use crate::pages::conditions::{self, Current};
use crate::pages::documents::Item;
use crate::pages::files;
use crate::pages::navigation::sections;
use crate::pages::notice::{self, Notice};
use crate::pages::page::{Pages, View, encoded, html, text};
use crate::pages::refusal::Refusal;
use crate::store::{self, Connection, Document, Engine};

/// The page that asks for confirmation.
pub(crate) fn ask(
    pages: &Pages,
    item: &Item,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let sections = sections(connection)?;
    let (path, title, keeps) = match item {
        Item::Document(document) => {
            let keeps = what_keeps(document, connection)?;
            (&document.path, &*document.title, keeps)
        }
        Item::File(file) => {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            (&file.path, name, None)
        }
    };
    let back = match item {
        Item::Document(_) => path,
        Item::File(_) => store::parent(path).unwrap_or("/"),
    };
    let context = context! {
        action => pages.href(path),
        back => pages.href(back),
        title,
        path => pages.seen(path),
        keeps,
    };
    let body = pages.fragment("remove", context)?;
    Ok(html(
        StatusCode::OK,
        pages.render(&View {
            title: "Delete",
            sections: Some(&sections),
            body,
            ..View::default()
        })?,
    ))
}

/// Removes it. 409 for a folder that is not empty, and for the root; 412 if the request's
/// conditions do not hold.
///
/// A program gets 204; a browser gets 303, to the folder.
pub(crate) fn remove(
    pages: &Pages,
    blobs: &FolderStore,
    request: &Request,
    item: &Item,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let path = match item {
        Item::Document(document) => {
            if let Some(detail) = what_keeps(document, connection)? {
                let refusal = Refusal::conflict(detail);
                return Err(refusal.abort_with_navigation(pages, request, transaction));
            }
            conditions::require(pages, request, Current::page(Some(document)))?;
            store::remove(connection, &document.path)?;
            &document.path
        }
        Item::File(file) => {
            conditions::require(pages, request, Current::file(Some(file)))?;
            files::remove_blobs(blobs, file, transaction)?;
            store::remove_file(transaction.connection()?, &file.path)?;
            &file.path
        }
    };
    if !accepts_html(request.headers()) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let folder = store::parent(path).unwrap_or("/");
    let mut response = text(format!("{}\n", pages.seen(folder)));
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(
        LOCATION,
        HeaderValue::try_from(pages.location(&encoded(folder)))?,
    );
    let page = notice::Page {
        path: folder,
        ..notice::Page::default()
    };
    Notice::Deleted.send(&page, request, &mut response);
    Ok(response)
}

/// The reason why a document cannot be removed, if there is one.
fn what_keeps(
    document: &Document,
    connection: &mut Connection,
) -> store::Result<Option<&'static str>> {
    if document.path == "/" {
        return Ok(Some(
            "The first page cannot be deleted: everything else is below it.",
        ));
    }
    let has_children = store::has_children(connection, &document.path)?;
    Ok(has_children.then_some("There are pages or files in this folder. Delete them first."))
}
