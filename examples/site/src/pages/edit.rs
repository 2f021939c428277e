//! Creating and changing documents: `?edit`, `?new`, and `POST`; with `?preview` it only shows the
//! result.

mod shown;

use euryale::respond::accepts_html;
use euryale::store::FolderStore;
use euryale::{Abort, Body, Request, Response, Transaction};
use http::{HeaderValue, StatusCode, Uri, header};

use self::shown::{Preview, Shown};
use crate::pages::conditions::{self, Current};
use crate::pages::form::{self, Draft, Posted};
use crate::pages::navigation::sections;
use crate::pages::notice::{self, Notice};
use crate::pages::page::{Pages, encoded, html, text};
use crate::pages::query::parameter;
use crate::pages::refusal::Refusal;
use crate::pages::{address, files, fingerprint, name};
use crate::store::{self, Connection, Document, Engine, Format};

/// The form that changes `document`.
pub(crate) fn edit(
    pages: &Pages,
    document: Document,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let form = Draft {
        name: None,
        version: Some(version(&document)),
        title: document.title,
        body: document.body,
    };
    let shown = Shown {
        path: &document.path,
        form: &form,
        format: document.format,
        refused: None,
        preview: None,
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// A fingerprint of the parts of a document that a form shows. No title or text contains a NUL.
fn version(document: &Document) -> String {
    fingerprint::of([&*document.title, "\0", &*document.body])
}

/// The form for a new document in `folder`, with the name in the query.
pub(crate) fn new(
    pages: &Pages,
    folder: &Document,
    uri: &Uri,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let name = parameter::<String>(uri, "name", "a name")
        .ok()
        .flatten()
        .unwrap_or_default();
    let form = Draft {
        title: name::title(&name),
        name: Some(name),
        ..Draft::default()
    };
    let shown = Shown {
        path: &folder.path,
        form: &form,
        format: Format::Markdown,
        refused: None,
        preview: None,
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// The form again, with a preview of its text. Nothing is written.
pub(crate) fn preview(
    pages: &Pages,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let path = address::writable(request.uri().path()).map_err(Refusal::bad);
    let form = path.and_then(|path| match form::read(request)? {
        Posted::Page(form) => Ok((path, form)),
        Posted::Files(_) => Err(Refusal::bad("Files have no preview.")),
    });
    let (path, form) = match form {
        Ok(form) => form,
        Err(refusal) => return Err(refusal.abort_with_navigation(pages, request, transaction)),
    };
    let connection = transaction.connection()?;
    let sections = sections(connection)?;
    let format = format(connection, &path, &form)?.unwrap_or(Format::Markdown);
    let shown = Shown {
        path: &path,
        preview: Some(Preview::new(pages, format, &form)),
        form: &form,
        format,
        refused: None,
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// The format of the document that `form` changes, if there is one.
fn format(connection: &mut Connection, path: &str, form: &Draft) -> store::Result<Option<Format>> {
    match &form.name {
        Some(_) => Ok(None),
        None => Ok(store::document(connection, path)?.map(|document| document.format)),
    }
}

/// Creates or changes the document that a form describes, or stores its files. The form has been
/// read before a connection is requested.
///
/// A program is answered 201 with `Location`, or 204 when it changed what was there; a browser 303.
/// A form that names another version than the stored one is a conflict, 409.
pub(crate) fn save(
    pages: &Pages,
    blobs: &FolderStore,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let path = match address::writable(request.uri().path()) {
        Ok(path) => path,
        Err(detail) => {
            let refusal = Refusal::bad(detail);
            return Err(refusal.abort_with_navigation(pages, request, transaction));
        }
    };
    let form = match form::read(request) {
        Ok(Posted::Page(form)) => form,
        Ok(Posted::Files(uploads)) => {
            return files::take(pages, blobs, &path, &uploads, request, transaction);
        }
        Err(refusal) => return Err(refusal.abort_with_navigation(pages, request, transaction)),
    };
    let written = match target(&path, &form) {
        Ok(target) => write(pages, transaction.connection()?, &target, &form, request)?
            .map(|is_new| (target, is_new)),
        Err(refusal) => Err(refusal.into()),
    };
    let (target, is_new) = match written {
        Ok(written) => written,
        Err(refused) => return Err(refused.abort(pages, &path, form, request, transaction)),
    };
    let status = match is_new {
        _ if accepts_html(request.headers()) => StatusCode::SEE_OTHER,
        true => StatusCode::CREATED,
        false => StatusCode::NO_CONTENT,
    };
    let mut response = match status {
        StatusCode::NO_CONTENT => Response::new(Body::empty()),
        _ => text(format!("{}\n", pages.seen(&target))),
    };
    *response.status_mut() = status;
    // An encoded path is a valid header value.
    let location = HeaderValue::try_from(pages.location(&encoded(&target)))?;
    let name = if status == StatusCode::NO_CONTENT {
        header::CONTENT_LOCATION
    } else {
        header::LOCATION
    };
    response.headers_mut().insert(name, location);
    if status == StatusCode::SEE_OTHER {
        let page = notice::Page {
            path: &target,
            title: &form.title,
            body: &form.body,
        };
        Notice::Saved.send(&page, request, &mut response);
    }
    Ok(response)
}

/// The path of the document that the form is about.
fn target(path: &str, form: &Draft) -> Result<String, Refusal> {
    form.check()?;
    let name = match &form.name {
        Some(name) if is_derived(form) => match name::of_title(&form.title) {
            Some(name) => name,
            None => {
                let detail = "This title has no letters for an address. Write the address.";
                return Err(Refusal::bad(detail));
            }
        },
        Some(name) => name.clone(),
        None => return Ok(path.to_owned()),
    };
    address::join(path, &name).map_err(Refusal::bad)
}

/// Returns whether the name of a new document is made of its title.
fn is_derived(form: &Draft) -> bool {
    form.name
        .as_ref()
        .is_some_and(|name| name.trim().is_empty())
}

/// A refused form.
struct Refused {
    refusal: Refusal,
    /// The document as it is now, when the form changes an earlier version of it.
    stored: Option<Document>,
    /// A free name, instead of the one that was made from the title.
    free: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            stored: None,
            free: None,
        }
    }
}

impl Refused {
    /// The answer to `request`. A browser gets the form again, with the typed text.
    fn abort(
        &self,
        pages: &Pages,
        path: &str,
        form: Draft,
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Abort {
        if !accepts_html(request.headers()) {
            return self.refusal.abort(pages, request);
        }
        self.page(pages, path, form, transaction).map_or_else(
            |abort| abort,
            |page| Abort::response(html(self.refusal.status, page)),
        )
    }

    fn page(
        &self,
        pages: &Pages,
        path: &str,
        mut form: Draft,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<String, Abort> {
        let connection = transaction.connection()?;
        let sections = sections(connection)?;
        let format = format(connection, path, &form)?;
        if self.free.is_some() {
            form.name.clone_from(&self.free);
        }
        // The form shows what is stored now, so it may replace that when it is saved again.
        if let Some(stored) = &self.stored {
            form.version = Some(version(stored));
        } else if format.is_none() {
            form.version = None;
        }
        let shown = Shown {
            path,
            form: &form,
            format: format.unwrap_or(Format::Markdown),
            refused: Some(self),
            preview: None,
        };
        Ok(shown.page(pages, &sections)?)
    }
}

/// Whether the document is new.
fn write(
    pages: &Pages,
    connection: &mut Connection,
    path: &str,
    form: &Draft,
    request: &Request,
) -> Result<Result<bool, Refused>, Abort> {
    let conflict = |detail: String| Ok(Err(Refusal::conflict(detail).into()));
    let seen = pages.seen(path);
    let stored = store::document(connection, path)?;
    // A page has a weak tag, which never matches in If-Match; its text has a strong one.
    let current = Current::page(stored.as_ref());
    if let Some(status) = conditions::unmet(request.method(), request.headers(), current) {
        let detail = "The page is not the one that the request's conditions are about. A page has \
            no strong tag: send If-Match to the address of its text, ?text.";
        return Ok(Err(Refusal::new(status, detail).into()));
    }
    if let Some(stored) = stored {
        // The form for a new page must not replace an existing one.
        if form.name.is_some() {
            let detail = format!("There is a page at {seen} already.");
            return Ok(Err(occupied(connection, path, &detail, form)?));
        }
        // A browser may repeat a form whose answer was lost, which is not a conflict.
        let is_done = stored.title == form.title && stored.body == form.body;
        if is_done {
            return Ok(Ok(false));
        }
        if form
            .version
            .as_ref()
            .is_some_and(|known| *known != version(&stored))
        {
            let detail = "This page was changed after you opened it. Your text is in the form, and \
                what is stored now is below it. Take over what is missing and save again, which \
                replaces what is stored.";
            return Ok(Err(Refused {
                refusal: Refusal::conflict(detail),
                stored: Some(stored),
                free: None,
            }));
        }
        store::change(connection, path, &form.title, &form.body)?;
        return Ok(Ok(false));
    }
    if form.name.is_none() && form.version.is_some() {
        return conflict(format!(
            "The page at {seen} was deleted after you opened it. Save again to make a new one."
        ));
    }
    if store::file(connection, path)?.is_some() {
        let detail = format!("There is a file at {seen} already.");
        return Ok(Err(occupied(connection, path, &detail, form)?));
    }
    if let Some(folder) = store::parent(path)
        && !store::exists(connection, folder)?
    {
        let folder = pages.seen(folder);
        return conflict(format!(
            "There is no page at {folder} to put this one in. Make that first."
        ));
    }
    store::add(connection, path, &form.title, Format::Markdown, &form.body)?;
    Ok(Ok(true))
}

/// Returns what to do about a path that is in use already.
///
/// A name from the title gets a number in the form, but is not used at once, because the form may
/// have been sent twice.
fn occupied(
    connection: &mut Connection,
    path: &str,
    detail: &str,
    form: &Draft,
) -> store::Result<Refused> {
    let free = match path.rsplit_once('/') {
        Some((folder, name)) if is_derived(form) => name::free(connection, folder, name)?,
        _ => None,
    };
    let remedy = match &free {
        Some(free) => format!("Save again to call this one {free}, or write another address."),
        None => "Choose another name.".to_owned(),
    };
    Ok(Refused {
        free,
        ..Refusal::conflict(format!("{detail} {remedy}")).into()
    })
}
