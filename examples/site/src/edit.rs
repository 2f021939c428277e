//! Documents are made, changed and removed: `?edit`, `?new`, `POST` and `DELETE`.

use euryale::publisher::accepts_html;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_sqlite::{Connection, Sqlite};
use http::{HeaderValue, StatusCode, header};
use minijinja::context;

use crate::address;
use crate::documents::sections;
use crate::form::{self, Form, Refusal};
use crate::page::{Pages, Problem, View, encoded, href, html, text};
use crate::store::{self, Document, Entry, Format};

/// The form that changes `document`.
pub(crate) fn edit(
    pages: &Pages,
    document: Document,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let form = Form { name: None, title: document.title, body: document.body };
    let shown = Shown { path: &document.path, form: &form, format: Some(document.format), refusal: None };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// The form that makes a document in `folder`.
pub(crate) fn new(
    pages: &Pages,
    folder: &Document,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let form = Form { name: Some(String::new()), ..Form::default() };
    let format = Some(Format::Markdown);
    let shown = Shown { path: &folder.path, form: &form, format, refusal: None };
    Ok(html(StatusCode::OK, shown.page(pages, &sections)?))
}

/// Makes or changes the document that a form describes. The form is read before a connection is asked for.
///
/// A program is answered 201 with `Location`, or 204 when it changed what was there; a browser 303.
pub(crate) fn save(
    pages: &Pages,
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let refuse = |refusal: &Refusal| refused(pages, request, refusal);
    let path = address::writable(request.uri().path()).map_err(|detail| refuse(&Refusal::bad(detail)))?;
    let form = form::read(request)?.map_err(|refusal| refuse(&refusal))?;
    let refuse = |refusal: &Refusal| {
        if !accepts_html(request.headers()) {
            return refused(pages, request, refusal);
        }
        // What was typed is not lost.
        let shown = Shown { path: &path, form: &form, format: None, refusal: Some(refusal) };
        shown
            .page(pages, &[Entry::home()])
            .map_or_else(Abort::from, |page| Abort::response(html(refusal.status, page)))
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
    let location = HeaderValue::try_from(encoded(&target))?;
    let name = if status == StatusCode::NO_CONTENT { header::CONTENT_LOCATION } else { header::LOCATION };
    response.headers_mut().insert(name, location);
    Ok(response)
}

/// Removes the document; 409 for a folder with something in it, and for the root.
pub(crate) fn remove(
    pages: &Pages,
    request: &Request,
    document: &Document,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let conflict = |detail: &str| Err(refused(pages, request, &Refusal::new(StatusCode::CONFLICT, detail)));
    if document.path == "/" {
        return conflict("The first page stays: everything else stands below it.");
    }
    if store::has_children(connection, &document.path)? {
        return conflict("There are pages in this folder. Delete them first.");
    }
    store::remove(connection, &document.path)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The path of the document that is meant.
fn target(path: &str, form: &Form) -> Result<String, Refusal> {
    form.check()?;
    match &form.name {
        Some(name) => address::join(path, name).map_err(Refusal::bad),
        None => Ok(path.to_owned()),
    }
}

/// Whether it is a new one.
fn write(connection: &Connection, path: &str, form: &Form) -> Result<Result<bool, Refusal>, Abort> {
    let conflict = |detail: String| Ok(Err(Refusal::new(StatusCode::CONFLICT, detail)));
    if store::exists(connection, path)? {
        // Who fills in the form for a new page does not know that there is one.
        if form.name.is_some() {
            return conflict(format!("There is a page at {path} already. Choose another name."));
        }
        store::change(connection, path, &form.title, &form.body)?;
        return Ok(Ok(false));
    }
    if let Some(folder) = store::parent(path)
        && !store::exists(connection, folder)?
    {
        return conflict(format!(
            "There is no page at {folder}, where this one would stand. Make that first."
        ));
    }
    store::add(connection, path, &form.title, &form.body)?;
    Ok(Ok(true))
}

fn refused(pages: &Pages, request: &Request, refusal: &Refusal) -> Abort {
    let problem = Problem::new(refusal.status, &refusal.detail);
    Abort::response(pages.problem(&problem, request.headers()))
}

/// A form as it is shown: empty, with a document in it, or with what was sent and is not taken.
struct Shown<'a> {
    path: &'a str,
    form: &'a Form,
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
                action => href(self.path),
                folder => self.path,
                name => &self.form.name,
                title => &self.form.title,
                body => &self.form.body,
                format,
                refusal => self.refusal.map(|refusal| &refusal.detail),
            },
        )?;
        let title = if self.form.name.is_some() { "New page" } else { "Edit page" };
        pages.render(&View { title, sections, body, ..View::default() })
    }
}
