//! Refuses heads that another server might read differently from hyper.
//!
//! hyper itself refuses malformed fields, malformed or differing lengths, and a `Transfer-Encoding`
//! in HTTP/1.0 or one that does not end in `chunked`. If a request has both `Content-Length` and
//! `Transfer-Encoding`, hyper removes the length and closes the socket after the answer (RFC 9112
//! §6.3), so that case needs no check here.

#[cfg(test)]
mod tests;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};

/// The reason and the status of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

/// Makes sure that the end of the body and the host of `request` are unambiguous. HTTP/2 requests
/// without `Host` get one. `max_target` is in bytes.
pub(crate) fn check<B>(request: &mut Request<B>, max_target: usize) -> Result<(), Refusal> {
    fields(request).map_err(bad)?;
    if request.version() < Version::HTTP_2 {
        coding(request.headers())?;
    }
    target(request, max_target)?;
    host(request).map_err(bad)
}

/// Returns whether the end of the socket will be the end of the body: in HTTP/1.0, if its length is
/// unknown (RFC 9112 §6.3).
pub(crate) fn ends_by_close<B: http_body::Body>(version: Version, response: &Response<B>) -> bool {
    version < Version::HTTP_11
        && !response.headers().contains_key(CONTENT_LENGTH)
        && response.body().size_hint().exact().is_none()
}

fn bad(why: &'static str) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        why,
    }
}

fn fields<B>(request: &Request<B>) -> Result<(), &'static str> {
    // httparse has already trimmed the values of HTTP/1.
    let may_have_spaces = request.version() >= Version::HTTP_2;
    for (name, value) in request.headers() {
        // A CGI-like program would read `x_forwarded_for`, which a proxy passes on, as
        // `X-Forwarded-For`.
        if name.as_str().as_bytes().contains(&b'_') {
            return Err("a field's name has an underscore");
        }
        // RFC 9113 §8.2.1. A proxy that translates the request to HTTP/1 changes such a value.
        if may_have_spaces && value.as_bytes().trim_ascii().len() != value.len() {
            return Err("a field's value begins or ends with white space");
        }
    }
    Ok(())
}

/// Checks the transfer coding (RFC 9112 §6.1): only `chunked` is supported, and only once.
fn coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => return Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => return Ok(()),
        _ => {}
    }
    let status = if has_unknown_codings(headers) {
        StatusCode::NOT_IMPLEMENTED
    } else {
        StatusCode::BAD_REQUEST
    };
    let why = "the one transfer coding is chunked";
    Err(Refusal { status, why })
}

/// Returns whether the codings are well formed, so that another server might support them: each is
/// a token, and `chunked` occurs only at the end.
fn has_unknown_codings(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let is_token = |coding: &[u8]| {
        !coding.is_empty()
            && coding
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    codings.next_back().is_some_and(is_chunked)
        && codings.all(|coding| is_token(coding) && !is_chunked(coding))
}

/// Checks the target. One that is too long is answered 414 (RFC 9112 §3); `*` is only for OPTIONS,
/// and an authority alone only for CONNECT (§3.2).
fn target<B>(request: &Request<B>, max_target: usize) -> Result<(), Refusal> {
    let uri = request.uri();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if authority.len() + path.len() > max_target {
        return Err(Refusal {
            status: StatusCode::URI_TOO_LONG,
            why: "the target is too long",
        });
    }
    let is_known = match *request.method() {
        Method::CONNECT if request.version() < Version::HTTP_2 => path.is_empty(),
        // h2 has checked its form.
        Method::CONNECT => true,
        Method::OPTIONS if path == "*" => true,
        _ => uri.path().starts_with('/'),
    };
    if is_known {
        return Ok(());
    }
    Err(bad("the target has another form than the method allows"))
}

/// Checks that there is exactly one host and it is well formed (RFC 9112 §3.2, RFC 9113 §8.3.1).
fn host<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    let second = hosts.next();
    if second.is_some() {
        return Err("there is more than one Host");
    }
    let authority = request.uri().authority();
    if host.is_some_and(|host| !is_host(host.as_bytes()))
        || authority.is_some_and(|authority| !is_host(authority.as_str().as_bytes()))
    {
        return Err("the Host is none");
    }
    match (host, authority) {
        (Some(host), Some(authority))
            if !host
                .as_bytes()
                .eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Err("the Host differs from the request's target")
        }
        (None, Some(authority)) if request.version() >= Version::HTTP_2 => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| "the Host is none")?;
            request.headers_mut().insert(HOST, host);
            Ok(())
        }
        (None, _) if request.version() != Version::HTTP_10 => Err("there is no Host"),
        _ => Ok(()),
    }
}

/// Returns whether the text is a name or an address with an optional port (RFC 3986 §3.2.2, without
/// characters that no real host has).
fn is_host(text: &[u8]) -> bool {
    let (host, rest) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if !rest[..end].iter().all(is_address) {
                return false;
            }
            (&rest[..end], &rest[end + 1..])
        }
        None => {
            let end = text
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(text.len());
            let is_name =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
            if !text[..end].iter().all(is_name) {
                return false;
            }
            text.split_at(end)
        }
    };
    let has_port_or_none = match rest.split_first() {
        None => true,
        Some((b':', port)) => is_port(port),
        Some(_) => false,
    };
    !host.is_empty() && has_port_or_none
}

/// Returns whether the text is a valid port number of at most five digits, or empty (RFC 3986
/// §3.2.3).
fn is_port(text: &[u8]) -> bool {
    let digits = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
    text.len() <= 5
        && text.iter().all(u8::is_ascii_digit)
        && text.iter().fold(0, digits) <= u32::from(u16::MAX)
}
