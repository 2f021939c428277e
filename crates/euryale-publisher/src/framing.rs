//! What a publisher must not say: how its response is framed, and what a proxy in front shall do with it.

use http::{HeaderMap, HeaderName, Method, StatusCode};

use euryale_core::{Body, Response};

/// Header fields that belong to the connection or to the framing of the message (RFC 9110 §7.6.1, RFC 9112
/// §6), or that a reverse proxy takes for an order (nginx, Apache, lighttpd).
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

/// Makes of a publisher's response one that parses as exactly one response, and fits its request.
pub(crate) fn own(response: Response, published_as: &Published) -> Response {
    let (mut parts, body) = response.into_parts();
    remove_owned(&mut parts.headers);
    let body = match parts.status {
        // No content (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => Body::empty(),
        _ if published_as.head => body.head_only(),
        _ => body,
    };
    Response::from_parts(parts, body)
}

fn remove_owned(headers: &mut HeaderMap) {
    let owned: Vec<HeaderName> = headers.keys().filter(|name| is_owned(name.as_str())).cloned().collect();
    for name in owned {
        headers.remove(name);
    }
}

fn is_owned(name: &str) -> bool {
    OWNED.contains(&name) || name.starts_with("x-accel-")
}

/// How a request is published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    head: bool,
}

impl Published {
    /// `HEAD` is published as `GET` (RFC 9110 §9.3.2).
    pub(crate) fn with(method: &mut Method) -> Self {
        let head = *method == Method::HEAD;
        if head {
            *method = Method::GET;
        }
        Self { head }
    }
}
