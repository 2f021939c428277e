//! `?text`: the text of a document as it is stored, for programs that edit. Its tag is strong, so
//! that a `PUT` with `If-Match` changes only what its sender has read.

use euryale::{Abort, Body, Request, Response, Transaction};
use http::header::{CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::pages::conditions::{self, Current};
use crate::pages::page::Pages;
use crate::pages::refusal::Refusal;
use crate::pages::{fingerprint, form};
use crate::store::{self, Document, Engine, Format};

/// The text. HTML is sent as plain text, so that no browser runs it as a page of the site's.
pub(crate) fn show(
    pages: &Pages,
    document: Document,
    request: &Request,
) -> Result<Response, Abort> {
    let tag = fingerprint::of([&*document.body]);
    let current = Current::text(&document, &tag);
    let mut response = match conditions::unmet(request.method(), request.headers(), current) {
        Some(StatusCode::NOT_MODIFIED) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        Some(_) => return Err(conditions::changed(pages, request)),
        None => {
            let content_type = match document.format {
                Format::Markdown => "text/markdown; charset=utf-8",
                Format::Html => "text/plain; charset=utf-8",
            };
            let mut response = Response::new(Body::from(document.body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
    };
    response.headers_mut().insert(ETAG, strong(&tag)?);
    Ok(response)
}

/// Replaces the text; title and format stay the same. 412 if a condition of the request does not
/// hold.
pub(crate) fn put(
    pages: &Pages,
    document: &Document,
    request: &Request,
    transaction: &mut Transaction<'_, Engine>,
) -> Result<Response, Abort> {
    let stored = fingerprint::of([&*document.body]);
    conditions::require(pages, request, Current::text(document, &stored))?;
    let sent = request.body().to_bytes()?;
    let text = read(request.headers(), &sent).map_err(|refusal| refusal.abort(pages, request))?;
    store::change(
        transaction.connection()?,
        &document.path,
        &document.title,
        &text,
    )?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    // No tag for a text that is not stored as it was sent (RFC 9110 §9.3.4).
    if text.as_bytes() == &sent[..] {
        let tag = fingerprint::of([&*text]);
        response.headers_mut().insert(ETAG, strong(&tag)?);
    }
    Ok(response)
}

fn read(headers: &HeaderMap, sent: &[u8]) -> Result<String, Refusal> {
    let is_text = headers.get(CONTENT_TYPE).is_none_or(|media| {
        let text = b"text/";
        let begin = media.as_bytes().get(..text.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(text))
    });
    if !is_text {
        let detail =
            "Send the text itself: the content type must be text/markdown, or another text.";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let text = std::str::from_utf8(sent).map_err(|_| Refusal::bad("The text is not UTF-8."))?;
    let text = form::text(text)?;
    form::check_length(&text)?;
    Ok(text)
}

fn strong(tag: &str) -> Result<HeaderValue, Abort> {
    Ok(HeaderValue::try_from(format!("\"{tag}\""))?)
}
