//! Documents are made and changed: `?edit`, `?new`, and `POST`.

use euryale::blob::FolderStore;
use euryale::publisher::accepts_html;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_sqlite::{Connection, Sqlite};
use http::{HeaderValue, StatusCode, header};
use minijinja::context;

use crate::address;
use crate::conditions::{self, Current};
use crate::documents::sections;
use crate::files;
use crate::fingerprint;
use crate::form::{self, Draft, Posted};
use crate::page::{Pages, View, encoded, html, text};
use crate::refusal::Refusal;
use crate::store::{self, Document, Entry, Format, Portion};

/// The form that changes `document`.
pub(crate) fn edit(
    pages: &Pages,
    document: Document,
    transaction: &mut Transaction<'_, Sqlite>,
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
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// Names what a form shows of a document. No title or text has a NUL.
fn version(document: &Document) -> String {
    fingerprint::of([&*document.title, "\0", &*document.body])
}

/// The form that makes a document in `folder`.
pub(crate) fn new(
    pages: &Pages,
    folder: &Document,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let form = Draft {
        name: Some(String::new()),
        ..Draft::default()
    };
    let shown = Shown {
        path: &folder.path,
        form: &form,
        format: Format::Markdown,
        refused: None,
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// Makes or changes the document that a form describes, or takes in the files that it brings:
/// before a connection is asked for, the form is known.
///
/// A program is answered 201 with `Location`, or 204 when it changed what was there; a browser 303.
/// A form that names another version than the stored one is a conflict, 409.
pub(crate) fn save(
    pages: &Pages,
    blobs: &FolderStore,
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
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
        Ok(target) => write(transaction.connection()?, &target, &form, request)?
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
        _ => text(format!("{target}\n")),
    };
    *response.status_mut() = status;
    // What is encoded is a header's value.
    let location = HeaderValue::try_from(pages.location(&encoded(&target)))?;
    let name = if status == StatusCode::NO_CONTENT {
        header::CONTENT_LOCATION
    } else {
        header::LOCATION
    };
    response.headers_mut().insert(name, location);
    Ok(response)
}

/// The path of the document that is meant.
fn target(path: &str, form: &Draft) -> Result<String, Refusal> {
    form.check()?;
    match &form.name {
        Some(name) => address::join(path, name).map_err(Refusal::bad),
        None => Ok(path.to_owned()),
    }
}

/// A form that is not done.
struct Refused {
    refusal: Refusal,
    /// The document as it is now, when the form changes an earlier version of it.
    stored: Option<Document>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            stored: None,
        }
    }
}

impl Refused {
    /// As the answer to `request`. A browser gets the form again, with what was typed.
    fn abort(
        &self,
        pages: &Pages,
        path: &str,
        form: Draft,
        request: &Request,
        transaction: &mut Transaction<'_, Sqlite>,
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
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<String, Abort> {
        let connection = transaction.connection()?;
        let sections = sections(connection)?;
        let format = match &form.name {
            Some(_) => None,
            None => store::document(connection, path)?.map(|document| document.format),
        };
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
        };
        Ok(shown.page(pages, &sections)?)
    }
}

/// Whether it is a new one.
fn write(
    connection: &Connection,
    path: &str,
    form: &Draft,
    request: &Request,
) -> Result<Result<bool, Refused>, Abort> {
    let conflict = |detail: String| Ok(Err(Refusal::conflict(detail).into()));
    let stored = store::document(connection, path)?;
    // A page is sent with a weak tag, which no If-Match names; its text has a strong one.
    let current = match stored {
        Some(_) => Current::Untagged,
        None => Current::Nothing,
    };
    if let Some(status) = conditions::unmet(request.method(), request.headers(), current) {
        let detail = "A page has no strong tag: send If-Match to the address of its text, ?text.";
        return Ok(Err(Refusal::new(status, detail).into()));
    }
    if let Some(stored) = stored {
        // The form for a new page must not replace one that is there.
        if form.name.is_some() {
            return conflict(format!(
                "There is a page at {path} already. Choose another name."
            ));
        }
        // A browser may send a form again whose answer was lost: that is no conflict.
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
            }));
        }
        store::change(connection, path, &form.title, &form.body)?;
        return Ok(Ok(false));
    }
    if form.name.is_none() && form.version.is_some() {
        return conflict(format!(
            "The page at {path} was deleted after you opened it. Save again to make a new one."
        ));
    }
    if store::file(connection, path)?.is_some() {
        return conflict(format!(
            "There is a file at {path}. Delete it first, or choose another name."
        ));
    }
    if let Some(folder) = store::parent(path)
        && !store::exists(connection, folder)?
    {
        return conflict(format!(
            "There is no page at {folder}, where this one would stand. Make that first."
        ));
    }
    store::add(connection, path, &form.title, Format::Markdown, &form.body)?;
    Ok(Ok(true))
}

/// A form as it is shown: empty, with a document in it, or with what was sent and is not taken.
struct Shown<'a> {
    path: &'a str,
    form: &'a Draft,
    format: Format,
    refused: Option<&'a Refused>,
}

impl Shown<'_> {
    fn page(&self, pages: &Pages, sections: &Portion<Entry>) -> Result<String, minijinja::Error> {
        let format = match self.format {
            Format::Markdown => "Markdown",
            Format::Html => "HTML",
        };
        let stored = self.refused.and_then(|refused| refused.stored.as_ref());
        let body = pages.fragment(
            "form",
            context! {
                action => pages.href(self.path),
                folder => self.path,
                name => &self.form.name,
                title => &self.form.title,
                body => &self.form.body,
                version => &self.form.version,
                format,
                refusal => self.refused.map(|refused| &refused.refusal.detail),
                stored => stored.map(|stored| context! {
                    title => &stored.title,
                    body => &stored.body,
                }),
            },
        )?;
        let is_new = self.form.name.is_some();
        let title = if is_new {
            "New page or files"
        } else {
            "Edit page"
        };
        let upload = context! { folder => pages.href(self.path), path => self.path };
        let body = if is_new {
            body + &pages.fragment("upload", upload)?
        } else {
            body
        };
        pages.render(&View {
            title,
            sections: Some(sections),
            body,
            ..View::default()
        })
    }
}
