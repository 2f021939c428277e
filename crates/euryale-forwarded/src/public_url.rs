//! The address that a client sees.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use crate::host::{Host, default_port};
use crate::peer::is_tls;

/// The address at which the client sees the application, in the extensions of a request: scheme, host and the path
/// below which it stands.
///
/// An application that stands somewhere else for its clients than for itself builds links, redirects and the paths of
/// cookies with it. Paths go in and come out percent-encoded, and begin with a slash.
///
/// Without a proxy that is believed it is what the request itself says: its `Host`, or the authority of its target
/// (RFC 9112 §3.2.2, RFC 9113 §8.3.1), with the scheme of the socket. `Host` is the client's choice. Who keeps what
/// was made for one client and shows it to another has to know it for one of its own first.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) is_https: bool,
    pub(crate) host: Option<Host>,
    /// What stands before the application's paths: empty, or `/a/b`.
    pub(crate) prefix: Box<str>,
    /// What the client does not see of them: empty, or `/a/b`.
    pub(crate) root: Box<str>,
}

impl PublicUrl {
    pub(crate) fn new(mut facts: Facts) -> Self {
        facts.host = facts.host.map(|host| host.without_default_port(facts.is_https));
        Self(Arc::new(facts))
    }

    /// What the request itself says.
    pub(crate) fn of(parts: &Parts) -> Self {
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let host = authority.or_else(|| single_host(&parts.headers)).and_then(Host::parse);
        Self::new(Facts {
            is_https: is_tls(&parts.extensions),
            host,
            prefix: Box::default(),
            root: Box::default(),
        })
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts::clone(&self.0)
    }

    /// Does the client use TLS?
    pub fn is_https(&self) -> bool {
        self.0.is_https
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.0.is_https { "https" } else { "http" }
    }

    /// The host's name or address without its port, in lower case, IPv6 in brackets. None: the request named no host,
    /// or none that can be one.
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_ref().map(|host| &*host.name)
    }

    /// The port, be it said or that of the scheme.
    pub fn port(&self) -> u16 {
        self.0.host.as_ref().and_then(|host| host.port).unwrap_or(default_port(self.0.is_https))
    }

    /// The path below which the application stands: empty, or like `/a/b`.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// The part of the application that is to be seen: empty for all of it, or like `/a/b`.
    pub fn root(&self) -> &str {
        &self.0.root
    }

    /// Scheme, host and a port other than the scheme's: `https://example.org`.
    pub fn origin(&self) -> Option<String> {
        self.0.host.as_ref().map(|host| format!("{}://{host}", self.scheme()))
    }

    /// Where the client has what the application calls `path`, which may have a query behind it. None: it is outside
    /// the [`root`](Self::root), and cannot be reached from here.
    ///
    /// As `physicalPathToVirtualPath` of Zope.
    pub fn path(&self, path: &str) -> Option<String> {
        let below = path.strip_prefix(self.root())?;
        match below.as_bytes().first() {
            Some(b'/') => Some(format!("{}{below}", self.0.prefix)),
            None | Some(b'?' | b'#') => Some(format!("{}/{below}", self.0.prefix)),
            Some(_) => None,
        }
    }

    /// The same with the origin before it; without, where no host is known: for `Location`, mails and feeds.
    ///
    /// As `absolute_url` of Zope.
    pub fn url(&self, path: &str) -> Option<String> {
        let path = self.path(path)?;
        Some(self.origin().unwrap_or_default() + &path)
    }

    /// The attributes of a cookie that comes back to this application, and only the way it came: `Path=/a`, with
    /// `Secure` if the client uses TLS (RFC 6265 §5.2.4 and §5.2.5). Other attributes are the application's choice.
    pub fn cookie_attributes(&self) -> String {
        let path = if self.0.prefix.is_empty() { "/" } else { &*self.0.prefix };
        let secure = if self.0.is_https { "; Secure" } else { "" };
        format!("Path={path}{secure}")
    }
}

/// The only one: of several, nobody knows which a cache has taken.
fn single_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// As the URL of the application's first page.
impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.origin().unwrap_or_default(), self.0.prefix)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A path for [`Facts`]: empty, or like `/a/b`. None when it is no plain path, which nobody would call his home.
pub(crate) fn plain_path(text: &str) -> Option<Box<str>> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty() {
        return Some(Box::default());
    }
    // RFC 3986 §3.3, and nothing that means something in HTML or in a cookie.
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$()*+,=:@%".contains(&byte);
    let names = path.strip_prefix('/')?;
    let is_name = |name: &str| !name.is_empty() && !is_dots(name) && name.bytes().all(is_fit);
    names.split('/').all(is_name).then(|| path.into())
}

/// `.` or `..`, encoded or not: it leads somewhere else (RFC 3986 §5.2.4).
pub(crate) fn is_dots(name: &str) -> bool {
    let decoded = name.replace("%2e", ".").replace("%2E", ".");
    decoded == "." || decoded == ".."
}
