//! The response for the client.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::Code;
use euryale_core::{Body, Error, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;

/// The application's page for clients that accept HTML.
pub(crate) type Page = Arc<dyn Fn(&Problem) -> Response + Send + Sync>;

/// The data of a request that its error page needs.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    html: bool,
}

impl Asked {
    pub(crate) fn of<B>(request: &http::Request<B>) -> Self {
        let html = accepts_html(request.headers());
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            html,
        }
    }

    pub(crate) fn of_parts(request: &http::request::Parts) -> Self {
        let html = accepts_html(&request.headers);
        Self {
            method: request.method.clone(),
            uri: request.uri.clone(),
            html,
        }
    }
}

/// Returns whether a request accepts HTML by name, as browsers do.
///
/// A media range of quality 0 means refusal (RFC 9110 §12.4.2). Other qualities only order the
/// acceptable types, and browsers name HTML first. `*/*` alone does not count, because programs
/// send it.
pub fn accepts_html(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok());
    accepts.flat_map(|accept| accept.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let html = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("text/html"));
        html && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The data of a failed request for an error page. Internal details are only in the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The code of the error.
    pub code: Code,
    /// The status that is sent.
    pub status: StatusCode,
    /// The time after which the client may try again.
    pub retry_after: Option<Duration>,
    /// The request that failed.
    pub uri: Uri,
    detail: Cow<'static, str>,
    wants_html: bool,
}

impl Problem {
    pub(crate) fn new(error: &Error, asked: &Asked) -> Self {
        let code = error.code();
        let class = code.class();
        // Repeating an unsafe request could perform it twice (RFC 9110 §9.2.2).
        let is_done = error.is_after_transaction() && !asked.method.is_safe();
        let detail = match error.told() {
            Some(told) => Cow::Owned(told.to_owned()),
            None if is_done => Cow::Borrowed(DONE),
            None => Cow::Borrowed(code.sentence()),
        };
        let retry_after = if is_done { None } else { class.retry_after() };
        Self {
            code,
            status: class.status(),
            retry_after,
            uri: asked.uri.clone(),
            detail,
            wants_html: asked.html,
        }
    }

    /// Returns a sentence or two for people: what happened, and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the problem as JSON (RFC 9457).
    fn json(&self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let status = self.status.as_u16();
        let detail = Value::from(self.detail());
        let body = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\
             \"detail\":{detail}}}\n"
        );
        typed(body, "application/problem+json")
    }

    fn html(&self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let status = self.status.as_u16();
        let detail = html_escape::encode_text(self.detail());
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{status} {title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n\
             <p>{detail}</p>\n</body>\n</html>\n"
        );
        typed(body, "text/html; charset=utf-8")
    }
}

/// The text for a request whose answer failed after its transaction had ended.
const DONE: &str = "What you sent was received and may be done; only the answer could not be made. \
                    Look before you send it again.";

fn typed(body: String, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn respond(problem: &Problem, page: Option<&Page>) -> Response {
    let mut response = match page {
        _ if !problem.wants_html => problem.json(),
        Some(page) => page(problem),
        None => problem.html(),
    };
    *response.status_mut() = problem.status;
    // The answer depends on `Accept` (RFC 9110 §12.5.5).
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    if let Some(after) = problem.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
        .headers_mut()
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(problem.code);
    response
}
