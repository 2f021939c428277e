//! Header fields that application code must not set: those for framing, and commands for a proxy.

use http::{HeaderMap, HeaderName, StatusCode};

use crate::body::Body;
use crate::request::Response;

/// Header fields that belong to the connection or to the framing of the message (RFC 9110 §7.6.1,
/// RFC 9112 §6), or that a reverse proxy obeys (nginx, Apache, lighttpd).
const OWNED: [&str; 13] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "x-sendfile",
    "x-sendfile2",
    "x-lighttpd-send-file",
    "x-reproxy-url",
];

/// Makes sure that an application's response parses as exactly one response. Removes the headers of
/// the connection and of the framing, commands for proxies, and the body if the status allows none.
///
/// Called by the code that takes a response from the application: `Publish`, and the layer of
/// deferred responses.
pub fn own_framing(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    remove_owned(&mut parts.headers);
    let body = match parts.status {
        // These statuses have no content (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
            Body::empty()
        }
        _ => body,
    };
    Response::from_parts(parts, body)
}

fn remove_owned(headers: &mut HeaderMap) {
    let owned: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_owned(name.as_str()))
        .cloned()
        .collect();
    for name in owned {
        headers.remove(name);
    }
}

fn is_owned(name: &str) -> bool {
    OWNED.contains(&name) || name.starts_with("x-accel-")
}
