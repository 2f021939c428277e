//! Refuses requests that another site makes a reader's browser send.
//!
//! tower-http's `CsrfLayer` does it. For methods other than GET, HEAD and OPTIONS, it lets requests
//! through that browsers mark as coming from this site (`Sec-Fetch-Site`, or an `Origin` that is
//! the request's host), and requests without any mark, because no browser sent them. So a proxy in
//! front has to pass on `Host` and `Origin` as they are.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use euryale::respond::accepts_html;
use http::StatusCode;
use tower_http::csrf::ProtectionError;

use crate::pages::page::{Pages, Problem};
use crate::serve::permits::FOREIGN;
use crate::serve::public;

/// Explains the refusal, as a page or as JSON. It is outside the layer that refuses.
pub(crate) fn explain(
    pages: &Arc<Pages>,
    request: &Request,
) -> ControlFlow<Response, impl FnOnce(Response) -> Response + use<>> {
    let pages = Arc::clone(pages);
    let wants_html = accepts_html(request.headers());
    ControlFlow::Continue(move |response: Response| {
        if response.extensions().get::<ProtectionError>().is_none() {
            return response;
        }
        pages
            .at(public::here())
            .answer(&Problem::new(StatusCode::FORBIDDEN, FOREIGN), wants_html)
            .map(axum::body::Body::new)
    })
}
