//! Heads that somebody else might read otherwise than hyper does, and that are therefore refused.
//!
//! hyper itself refuses what has no meaning at all: fields that are none, lengths that are none or
//! differ, `Transfer-Encoding` in HTTP/1.0, or one that does not end in `chunked`. Of a request
//! with both `Content-Length` and `Transfer-Encoding` it takes the length away and closes after the
//! answer (RFC 9112 §6.3), so that is not seen here.

#[cfg(test)]
mod tests;

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Version};

/// Makes sure of one reading of `request`: where its body ends, and whom it is meant for. HTTP/2
/// requests are given the `Host` that they need not have.
pub(crate) fn check<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    // A proxy that passes `x_forwarded_for` on may mean what a CGI-like program makes of it:
    // `X-Forwarded-For`.
    if request
        .headers()
        .keys()
        .any(|name| name.as_str().as_bytes().contains(&b'_'))
    {
        return Err("a field's name has an underscore");
    }
    if request.version() < Version::HTTP_2 {
        coding(request.headers())?;
    }
    host(request)
}

/// RFC 9112 §6.1: `chunked` is the one coding that is known here, and it stands once.
fn coding(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err("the one transfer coding is chunked"),
    }
}

/// RFC 9112 §3.2 and RFC 9113 §8.3.1: one host, and one that is written as hosts are.
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

/// A name or an address, and perhaps a port (RFC 3986 §3.2.2, without what no host has).
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
    let is_port = match rest.split_first() {
        None => true,
        Some((b':', port)) => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    !host.is_empty() && is_port
}
