//! The methods of an address.

use euryale::{Abort, Body, Request, Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::pages::page::{Pages, Problem};

/// Refuses methods that a path does not support (RFC 9110 §15.5.6), and answers `OPTIONS` (§9.3.7).
/// `HEAD` is published as `GET`.
pub(crate) fn allow(pages: &Pages, request: &Request, methods: &[Method]) -> Result<(), Abort> {
    if methods.contains(request.method()) {
        return Ok(());
    }
    let mut names = vec!["HEAD", "OPTIONS"];
    names.extend(methods.iter().map(Method::as_str));
    names.sort_unstable();
    let names = names.join(", ");
    let mut response = if request.method() == Method::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        let detail = format!("This address supports the methods {names}.");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, &detail);
        pages.problem(&problem, request.headers())
    };
    let allow = names.parse().unwrap_or(HeaderValue::from_static("GET"));
    response.headers_mut().insert(header::ALLOW, allow);
    Err(Abort::response(response))
}
