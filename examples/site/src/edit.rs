//! Documents are made and changed: `?edit`, `?new`, and `POST`.

use euryale::blob::FolderStore;
use euryale::publisher::accepts_html;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_sqlite::{Connection, Sqlite};
use http::{HeaderValue, StatusCode, header};
use minijinja::context;

use crate::address;
use crate::documents::sections;
use crate::files;
use crate::form::{self, Draft, Posted};
use crate::page::{Pages, View, encoded, html, text};
use crate::refusal::Refusal;
use crate::store::{self, Document, Entry, Format};

/// The form that changes `document`.
pub(crate) fn edit(
    pages: &Pages,
    document: Document,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let form = Draft {
        name: None,
        title: document.title,
        body: document.body,
    };
    let shown = Shown {
        path: &document.path,
        form: &form,
        format: Some(document.format),
        refusal: None,
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
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
    let format = Some(Format::Markdown);
    let shown = Shown {
        path: &folder.path,
        form: &form,
        format,
        refusal: None,
    };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// Makes or changes the document that a form describes, or takes in the files that it brings:
/// before a connection is asked for, the form is known.
///
/// A program is answered 201 with `Location`, or 204 when it changed what was there; a browser 303.
pub(crate) fn save(
    pages: &Pages,
    blobs: &FolderStore,
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let refuse = |refusal: &Refusal| refusal.abort(pages, request);
    let path =
        address::writable(request.uri().path()).map_err(|detail| refuse(&Refusal::bad(detail)))?;
    let form = match form::read(request).map_err(|refusal| refuse(&refusal))? {
        Posted::Page(form) => form,
        Posted::Files(uploads) => {
            return files::take(pages, blobs, &path, &uploads, request, transaction);
        }
    };
    let refuse = |refusal: &Refusal| {
        if !accepts_html(request.headers()) {
            return refusal.abort(pages, request);
        }
        // What was typed is not lost.
        let shown = Shown {
            path: &path,
            form: &form,
            format: None,
            refusal: Some(refusal),
        };
        shown
            .page(pages, &[Entry::home()])
            .map_or_else(Abort::from, |page| {
                Abort::response(html(refusal.status, page))
            })
    };
    let target = target(&path, &form).map_err(|refusal| refuse(&refusal))?;
    let is_new = match write(transaction.connection()?, &target, &form)? {
        Ok(is_new) => is_new,
        Err(refusal) => return Err(refuse(&refusal)),
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

/// Whether it is a new one.
fn write(
    connection: &Connection,
    path: &str,
    form: &Draft,
) -> Result<Result<bool, Refusal>, Abort> {
    let conflict = |detail: String| Ok(Err(Refusal::conflict(detail)));
    if store::exists(connection, path)? {
        // Who fills in the form for a new page does not know that there is one.
        if form.name.is_some() {
            return conflict(format!(
                "There is a page at {path} already. Choose another name."
            ));
        }
        store::change(connection, path, &form.title, &form.body)?;
        return Ok(Ok(false));
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
    format: Option<Format>,
    refusal: Option<&'a Refusal>,
}

impl Shown<'_> {
    fn page(&self, pages: &Pages, sections: &[Entry]) -> Result<String, minijinja::Error> {
        let format = match self.format {
            Some(Format::Markdown) => "Markdown",
            Some(Format::Html) => "HTML",
            None => "",
        };
        let body = pages.fragment(
            "form",
            context! {
                action => pages.href(self.path),
                folder => self.path,
                name => &self.form.name,
                title => &self.form.title,
                body => &self.form.body,
                format,
                refusal => self.refusal.map(|refusal| &refusal.detail),
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
            sections,
            body,
            ..View::default()
        })
    }
}
