//! The entries of the `environ` dictionary that are text.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use euryale_core::Request;
use euryale_core::request::{Peer, PeerAddr};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, Version};
use percent_encoding::percent_decode_str;

use crate::latin1;

/// The application's address and the client's, as far as the request's head does not contain them.
///
/// The host fills it from its settings. If a trusted proxy forwarded the request, the client and
/// the public address are those that the proxy reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// `wsgi.url_scheme`: `http` or `https`.
    pub scheme: &'a str,
    /// `SERVER_NAME`, never empty (PEP 3333, "environ Variables").
    pub server_name: Cow<'a, str>,
    /// `SERVER_PORT`, which must not be empty either, so that even a Unix socket needs a number.
    pub server_port: u16,
    /// The path below which the application is mounted: empty, or like `/app`.
    ///
    /// If a request path begins with it, that part moves to `SCRIPT_NAME`. Any other path is passed
    /// on whole, with the same `SCRIPT_NAME`, like waitress's `url_prefix`.
    pub prefix: &'a str,
    /// The path above `prefix`, if a trusted proxy names one; otherwise empty. The proxy has
    /// removed it from the request's path, and `SCRIPT_NAME` begins with it.
    pub outer_prefix: &'a str,
    /// The host that the client requested, if a trusted proxy reports it. `None` means the
    /// request's own host.
    pub host: Option<Cow<'a, str>>,
    /// The client's address, if a trusted proxy reports it. `None` means the peer's address.
    pub client: Option<IpAddr>,
}

/// One entry of the dictionary. Values are strings of [latin-1](crate::latin1).
pub type Variable<'r> = (Cow<'static, str>, Cow<'r, str>);

/// Returns the entries that change from request to request, in no particular order. Each name
/// occurs once.
///
/// * `PATH_INFO` is percent-decoded, `SCRIPT_NAME` and `QUERY_STRING` are not changed,
///   `REQUEST_URI` is the target's path and query as they were sent.
/// * `SERVER_PROTOCOL` is `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`: Zope splits it at the slash.
/// * `CONTENT_LENGTH` is the length of the body that has arrived, however it was framed. It is
///   absent if the request announced no body.
/// * Fields of the same name are joined by a comma, cookies by a semicolon (RFC 9110 §5.3, RFC 6265
///   §5.4).
/// * A field with an underscore in its name is dropped, because `X_Y` and `X-Y` would become the
///   same variable. `Proxy` is dropped because it would become `HTTP_PROXY` (CVE-2016-5385).
/// * `Transfer-Encoding` is dropped: the body has arrived, and has a length.
pub fn variables<'r>(request: &'r Request, place: &Place<'r>) -> Vec<Variable<'r>> {
    let mut all = Vec::with_capacity(request.headers().len() + 14);
    let uri = request.uri();
    all.push(known("REQUEST_METHOD", request.method().as_str()));
    let path = strip_prefix(uri.path(), place.prefix);
    let mount = match place.outer_prefix {
        "" => Cow::Borrowed(place.prefix),
        outer => Cow::Owned(format!("{outer}{}", place.prefix)),
    };
    all.push((Cow::Borrowed("SCRIPT_NAME"), mount));
    all.push((Cow::Borrowed("PATH_INFO"), decoded(path)));
    all.push(known("QUERY_STRING", uri.query().unwrap_or("")));
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    all.push((
        Cow::Borrowed("REQUEST_URI"),
        latin1::decode(target.as_bytes()),
    ));
    all.push(known("SERVER_PROTOCOL", protocol(request.version())));
    all.push(known("wsgi.url_scheme", place.scheme));
    all.push((Cow::Borrowed("SERVER_NAME"), place.server_name.clone()));
    all.push((
        Cow::Borrowed("SERVER_PORT"),
        place.server_port.to_string().into(),
    ));
    client(request, place, &mut all);
    fields(request, place, &mut all);
    all
}

fn known<'r>(name: &'static str, value: &'r str) -> Variable<'r> {
    (Cow::Borrowed(name), Cow::Borrowed(value))
}

/// Returns the path below the prefix, or `None` if it is not below it. The prefix itself has the
/// path "".
fn strip_prefix<'p>(path: &'p str, prefix: &str) -> &'p str {
    match path.strip_prefix(prefix) {
        Some(below) if below.is_empty() || below.starts_with('/') => below,
        _ => path,
    }
}

fn decoded(path: &str) -> Cow<'_, str> {
    match Cow::from(percent_decode_str(path)) {
        Cow::Borrowed(bytes) => latin1::decode(bytes),
        Cow::Owned(bytes) => Cow::Owned(latin1::decode(&bytes).into_owned()),
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// Adds `REMOTE_ADDR` and `REMOTE_HOST`, and the port if the address is the peer's own.
fn client<'r>(request: &Request, place: &Place<'r>, all: &mut Vec<Variable<'r>>) {
    let peer = request.extensions().get::<Peer>().map(Peer::address);
    let address = match (place.client, peer) {
        (Some(ip), _) => Some((ip, None)),
        // A dual-stack socket has its IPv4 clients as `::ffff:192.0.2.7`.
        (None, Some(PeerAddr::Tcp(socket))) => {
            Some((socket.ip().to_canonical(), Some(socket.port())))
        }
        (None, _) => None,
    };
    let Some((ip, port)) = address else { return };
    let ip = ip.to_string();
    all.push((Cow::Borrowed("REMOTE_HOST"), ip.clone().into()));
    all.push((Cow::Borrowed("REMOTE_ADDR"), ip.into()));
    if let Some(port) = port {
        all.push((Cow::Borrowed("REMOTE_PORT"), port.to_string().into()));
    }
}

fn fields<'r>(request: &'r Request, place: &Place<'r>, all: &mut Vec<Variable<'r>>) {
    let headers = request.headers();
    let body = request.body();
    let is_announced =
        headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if is_announced || !body.is_empty() {
        all.push((
            Cow::Borrowed("CONTENT_LENGTH"),
            body.len().to_string().into(),
        ));
    }
    // In HTTP/2 the host is in the target. A trusted proxy's value takes precedence.
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = place.host.clone().or(authority.map(Cow::Borrowed));
    let has_host = host.is_some();
    if let Some(host) = host {
        all.push((Cow::Borrowed("HTTP_HOST"), host));
    }
    for name in headers.keys() {
        let Some(key) = variable_name(name) else {
            continue;
        };
        if has_host && *name == HOST {
            continue;
        }
        let mut values = headers.get_all(name).iter();
        let Some(first) = values.next() else { continue };
        let mut value = latin1::decode(first.as_bytes());
        let separator = if *name == COOKIE { "; " } else { ", " };
        for more in values {
            let value = value.to_mut();
            value.push_str(separator);
            value.push_str(&latin1::decode(more.as_bytes()));
        }
        all.push((key, value));
    }
}

/// Returns the variable of a field, if the application may see it.
fn variable_name(name: &HeaderName) -> Option<Cow<'static, str>> {
    if *name == CONTENT_TYPE {
        return Some(Cow::Borrowed("CONTENT_TYPE"));
    }
    if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
        return None;
    }
    let name = name.as_str();
    if name == "proxy" || name.contains('_') {
        return None;
    }
    let mut key = String::with_capacity(5 + name.len());
    key.push_str("HTTP_");
    key.extend(name.chars().map(|character| match character {
        '-' => '_',
        other => other.to_ascii_uppercase(),
    }));
    Some(Cow::Owned(key))
}
