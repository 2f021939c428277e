//! The addresses that crawlers and browsers request from every site: `/robots.txt` and
//! `/favicon.ico`. A page or a file that is stored there takes precedence.

use euryale::{Body, Request, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};

use crate::store::Document;

const ROBOTS: &str = "/robots.txt";

/// Crawlers read pages and files (RFC 9309 §2.2). Forms, searches and the site's own views show
/// them nothing new, and some are expensive.
const RULES: &str = "User-agent: *
Disallow: /@@
Disallow: /*?delete
Disallow: /*?edit
Disallow: /*?list=
Disallow: /*?new
Disallow: /*?q=
Disallow: /*?text
";

/// Browsers that support SVG icons accept one at this address, by its media type.
const ICON: &str = include_str!("../../theme/euryale/icon.svg");

/// The answer if nothing is stored at the address, or `None` if it is not one of these addresses.
pub(crate) fn default_of(request: &Request) -> Option<Response> {
    if *request.method() != Method::GET {
        return None;
    }
    match request.uri().path() {
        ROBOTS => Some(answer(RULES.to_owned(), "text/plain; charset=utf-8")),
        "/favicon.ico" => Some(answer(ICON.to_owned(), "image/svg+xml")),
        _ => None,
    }
}

/// Returns whether crawlers request this page, which they can only read as plain text.
pub(crate) fn is_robots(document: &Document, request: &Request) -> bool {
    document.path == ROBOTS && *request.method() == Method::GET && request.uri().query().is_none()
}

/// The rules that are stored as the text of a page (RFC 9309 §2.3).
pub(crate) fn robots(document: Document) -> Response {
    answer(document.body, "text/plain; charset=utf-8")
}

fn answer(text: String, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An hour, so that a stored page or file soon replaces it.
    let hour = HeaderValue::from_static("public, max-age=3600");
    headers.insert(CACHE_CONTROL, hour);
    response
}
