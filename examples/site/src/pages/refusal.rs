//! Refusals, and what to do instead.

use euryale::respond::accepts_html;
use euryale::{Abort, Request, Response, Transaction};
use http::StatusCode;

use crate::pages::navigation::sections;
use crate::pages::page::{Pages, Problem};
use crate::store::Engine;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A sentence that says what to do.
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// The answer to `request`, whose transaction is rolled back.
    pub(crate) fn abort(&self, pages: &Pages, request: &Request) -> Abort {
        let problem = Problem::new(self.status, &self.detail);
        Abort::response(pages.problem(&problem, request.headers()))
    }

    /// The same, but a browser also gets the navigation, which needs a connection.
    pub(crate) fn abort_with_navigation(
        &self,
        pages: &Pages,
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Abort {
        if !accepts_html(request.headers()) {
            return self.abort(pages, request);
        }
        let sections = match transaction.connection() {
            Ok(connection) => sections(connection),
            Err(error) => return error.into(),
        };
        let sections = match sections {
            Ok(sections) => sections,
            Err(error) => return error.into(),
        };
        let problem = Problem::new(self.status, &self.detail).sections(&sections);
        Abort::response(pages.problem(&problem, request.headers()))
    }
}

/// The page that says why a request is refused before it is published, with the navigation.
pub(crate) fn forbidden(
    pages: &Pages,
    detail: &str,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let sections = sections(transaction.connection()?)?;
    let problem = Problem::new(StatusCode::FORBIDDEN, detail).sections(&sections);
    Ok(pages.problem(&problem, request.headers()))
}
