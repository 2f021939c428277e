//! `/@@counter`: a number that many requests change at the same time.
//!
//! | request | what it does |
//! |---|---|
//! | `GET` | answers the number; a browser gets a page |
//! | `POST` | adds one and answers the new number; a browser is sent to the page |
//! | `POST ?mode=wrapped` | the same; errors come out in a type of the application's own |
//! | `POST ?mode=boxed` | the same; errors come out as boxes |
//! | `GET ?mode=late` | adds one, too, but begins as a reader and writes late |
//! | `GET ?mode=wrapped`, `GET ?mode=boxed` | the same; errors come out as above |
//!
//! The late ones are a `GET` on purpose. The stack takes the access from the method, so a `POST`
//! begins as a writer and has its conflicts before it has read anything. A page that reads and then
//! finds that it must write (a count of visitors, a cache that is filled on first use) is a `GET`
//! in the wild, too: its snapshot may be stale by then, and the whole publication is run again,
//! from then on as a writer.

use std::fmt;
use std::str::FromStr;

use euryale::respond::accepts_html;
use euryale::transaction::Unavailable;
use euryale::{Abort, BoxError, OrAbort, Request, Response, Transaction};
use http::{HeaderValue, Method, StatusCode, header};
use minijinja::context;

use crate::demo::COUNTER;
use crate::pages::conditions::{self, Current};
use crate::pages::navigation::sections;
use crate::pages::page::{Pages, Problem, View, html, text};
use crate::pages::query::parameter;
use crate::store::{self, Connection, Engine};

#[derive(Clone, Copy, Debug)]
enum Mode {
    Late,
    Wrapped,
    Boxed,
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "late" => Ok(Self::Late),
            "wrapped" => Ok(Self::Wrapped),
            "boxed" => Ok(Self::Boxed),
            _ => Err(()),
        }
    }
}

/// Answers the number: as text, or as a page for a browser.
pub(crate) fn answer(
    pages: &Pages,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let refuse = |detail: &str| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, detail);
        Abort::response(pages.problem(&problem, request.headers()))
    };
    let mode = parameter::<Mode>(request.uri(), "mode", "late (with GET), wrapped or boxed")
        .map_err(|detail| refuse(&detail))?;
    let is_post = request.method() == Method::POST;
    if is_post {
        conditions::require(pages, request, Current::UNKNOWN)?;
    }
    let number = match mode {
        None if is_post => add_one(transaction.connection()?)?,
        None => store::counter(transaction.connection()?)?,
        Some(Mode::Late) if is_post => {
            return Err(refuse(
                "A POST begins as a writer: send mode=late with GET.",
            ));
        }
        Some(Mode::Late) => add_one(transaction.connection()?)?,
        Some(Mode::Wrapped) => wrapped(transaction)?,
        Some(Mode::Boxed) => boxed(transaction).or_abort()?,
    };
    if !accepts_html(request.headers()) {
        return Ok(text(format!("{number}\n")));
    }
    if is_post {
        // A reload of the page does not count again.
        let mut response = text(format!("{number}\n"));
        *response.status_mut() = StatusCode::SEE_OTHER;
        let location = HeaderValue::try_from(pages.own(COUNTER).to_string())?;
        response.headers_mut().insert(header::LOCATION, location);
        return Ok(response);
    }
    page(pages, number, transaction)
}

fn page(
    pages: &Pages,
    number: i64,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let context = context! {
        number,
        action => pages.own(COUNTER),
        can_write => pages.can_write(),
    };
    let page = pages.render(&View {
        title: "Counter",
        sections: Some(&sections),
        body: pages.fragment("counter", context)?,
        ..View::default()
    })?;
    let mut response = html(StatusCode::OK, page);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

fn add_one(connection: &mut Connection) -> store::Result<i64> {
    let number = store::counter(connection)? + 1;
    store::set_counter(connection, number)?;
    Ok(number)
}

fn wrapped(transaction: &mut Transaction<'_, Engine>) -> Result<i64, CounterError> {
    let connection = transaction.connection().map_err(CounterError::Connection)?;
    add_one(connection).map_err(CounterError::Statement)
}

fn boxed(transaction: &mut Transaction<'_, Engine>) -> Result<i64, BoxError> {
    Ok(add_one(transaction.connection()?)?)
}

/// An application's own error type. A conflict is still found in its chain of sources.
#[derive(Debug)]
enum CounterError {
    Connection(Unavailable),
    Statement(store::Error),
}

impl fmt::Display for CounterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the counter could not be changed")
    }
}

impl std::error::Error for CounterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Statement(error) => Some(error),
        }
    }
}
