//! The page for an address without content, which offers what the reader may have wanted.

use euryale::respond::accepts_html;
use euryale::{Abort, Request};
use http::StatusCode;
use minijinja::{Value, context};

use crate::pages::navigation::sections;
use crate::pages::page::{Pages, Problem};
use crate::pages::{address, name};
use crate::store::{self, Connection, Entry};

/// The 404 answer to `request`, for `path`.
pub(crate) fn abort(
    pages: &Pages,
    path: &str,
    request: &Request,
    connection: &mut Connection,
) -> Abort {
    match answer(pages, path, request, connection) {
        Ok(abort) | Err(abort) => abort,
    }
}

fn answer(
    pages: &Pages,
    path: &str,
    request: &Request,
    connection: &mut Connection,
) -> Result<Abort, Abort> {
    let problem = Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.");
    if !accepts_html(request.headers()) {
        return Ok(Abort::response(pages.problem(&problem, request.headers())));
    }
    let sections = sections(connection)?;
    let offers = offers(pages, path, connection)?;
    let problem = problem.sections(&sections).offers(&offers);
    Ok(Abort::response(pages.problem(&problem, request.headers())))
}

/// As HTML. Paths without an address for the browser are not offered.
fn offers(pages: &Pages, path: &str, connection: &mut Connection) -> Result<String, Abort> {
    let last = path.rsplit('/').next().unwrap_or_default();
    // Addresses with @@ are the site's own; the page does not reveal which of them exist.
    let words = if path.contains("@@") {
        String::new()
    } else {
        name::words(last)
    };
    let search = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &words)
        .finish();
    let create = create(pages, path, last, connection)?;
    let folder = nearest(path, connection)?;
    let folder = folder.and_then(|folder| {
        let href = pages.visible(&folder.path)?;
        Some(context! { href, title => folder.title })
    });
    let context = context! { create, words, search, home => pages.home(), folder };
    Ok(pages.fragment("missing", context)?)
}

/// The address of the form for creating the page, if that is allowed.
fn create(
    pages: &Pages,
    path: &str,
    name: &str,
    connection: &mut Connection,
) -> store::Result<Option<Value>> {
    let Some(folder) = store::parent(path).filter(|_| pages.can_write()) else {
        return Ok(None);
    };
    if address::join(folder, name).is_err() || !store::exists(connection, folder)? {
        return Ok(None);
    }
    let name = form_urlencoded::Serializer::new(String::new())
        .append_pair("name", name)
        .finish();
    let form = |folder| Value::from_safe_string(format!("{folder}?new&amp;{name}"));
    Ok(pages.visible(folder).map(form))
}

/// The nearest page above `path`, other than the first one, which is in the navigation.
fn nearest(path: &str, connection: &mut Connection) -> store::Result<Option<Entry>> {
    let ancestors = store::ancestors(connection, path)?;
    Ok(ancestors.into_iter().rfind(|entry| entry.path != "/"))
}
