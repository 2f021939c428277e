//! The address that a client sees.

use std::fmt;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};

use crate::host::{Host, default_port};
use crate::peer::is_tls;
use crate::visit::Visit;

/// The address at which the client sees the application: scheme, host and mount path. Get it with
/// [`of`](Self::of) from the extensions of a request.
///
/// Use it to build links, redirects and the paths of cookies if clients may see a different address
/// than the application. Paths are percent-encoded, both as arguments and as results, and begin
/// with a slash.
///
/// Without a trusted proxy it is derived from the request itself: from `Host` or the authority of
/// the target (RFC 9112 §3.2.2, RFC 9113 §8.3.1), with the scheme of the socket. The client chooses
/// `Host`, so check that the host is yours before you store a page that was made for one client and
/// show it to another.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    is_https: bool,
    host: Option<Host>,
    /// `None` if both are empty, which is the usual case.
    paths: Option<Arc<Paths>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Paths {
    prefix: Box<str>,
    root: Box<str>,
}

/// The parts of a [`PublicUrl`].
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) is_https: bool,
    pub(crate) host: Option<Host>,
    /// The prefix of the application's paths: empty, or `/a/b`.
    pub(crate) prefix: Box<str>,
    /// The part of the application's paths that the client does not see: empty, or `/a/b`.
    pub(crate) root: Box<str>,
}

impl PublicUrl {
    pub(crate) fn new(facts: Facts) -> Self {
        let Facts {
            is_https,
            host,
            prefix,
            root,
        } = facts;
        let is_plain = prefix.is_empty() && root.is_empty();
        let paths = if is_plain {
            None
        } else {
            Some(Arc::new(Paths { prefix, root }))
        };
        Self {
            is_https,
            host: host.map(|host| host.without_default_port(is_https)),
            paths,
        }
    }

    /// Returns the public URL of a request with these extensions, or `None` if neither
    /// [`ForwardedLayer`](crate::ForwardedLayer) nor [`VirtualHostLayer`](crate::VirtualHostLayer)
    /// is around the caller.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        Visit::of(extensions).map(|visit| &visit.url)
    }

    pub(crate) fn facts(&self) -> Facts {
        let prefix = self.prefix().into();
        let root = self.root().into();
        Facts {
            is_https: self.is_https,
            host: self.host.clone(),
            prefix,
            root,
        }
    }

    pub(crate) fn named_host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// Returns whether the client uses TLS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Returns `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    /// Returns the host's name or address in lower case without the port, IPv6 in brackets. `None`
    /// if the request has no host, or an invalid one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().map(Host::name)
    }

    /// Returns the port: the explicit one or the scheme's default.
    pub fn port(&self) -> u16 {
        self.host
            .as_ref()
            .and_then(|host| host.port)
            .unwrap_or(default_port(self.is_https))
    }

    /// Returns the path at which the application is mounted: empty, or like `/a/b`.
    pub fn prefix(&self) -> &str {
        self.paths.as_ref().map_or("", |paths| &paths.prefix)
    }

    /// Returns the part of the application that clients see: empty for all of it, or like `/a/b`.
    pub fn root(&self) -> &str {
        self.paths.as_ref().map_or("", |paths| &paths.root)
    }

    /// Returns scheme, host, and the port unless it is the scheme's default: `https://example.org`.
    pub fn origin(&self) -> Option<String> {
        self.host
            .as_ref()
            .map(|host| format!("{}://{host}", self.scheme()))
    }

    /// Returns the path under which the client sees the application's `path`, which may end with a
    /// query. `None` if it is outside the [`root`](Self::root), so that the client cannot reach it.
    ///
    /// Like Zope's `physicalPathToVirtualPath`.
    pub fn path(&self, path: &str) -> Option<String> {
        let below = path.strip_prefix(self.root())?;
        match below.as_bytes().first() {
            Some(b'/') => Some(format!("{}{below}", self.prefix())),
            None | Some(b'?' | b'#') => Some(format!("{}/{below}", self.prefix())),
            Some(_) => None,
        }
    }

    /// Returns the [`path`](Self::path) as a whole URL, for `Location`, mails and feeds. If the
    /// host is unknown, the result is only the path.
    ///
    /// Like Zope's `absolute_url`.
    pub fn url(&self, path: &str) -> Option<String> {
        let path = self.path(path)?;
        Some(self.origin().unwrap_or_default() + &path)
    }

    /// Returns the attributes of a cookie that is sent back only to this application: `Path=/a`,
    /// with `Secure` if the client uses TLS (RFC 6265 §5.2.4 and §5.2.5). Add other attributes as
    /// you need them.
    pub fn cookie_attributes(&self) -> String {
        let path = if self.prefix().is_empty() {
            "/"
        } else {
            self.prefix()
        };
        let secure = if self.is_https { "; Secure" } else { "" };
        format!("Path={path}{secure}")
    }
}

impl Facts {
    /// Derives the URL from the request alone.
    pub(crate) fn of(parts: &Parts) -> Self {
        let host = match parts.uri.authority() {
            Some(authority) => Host::parse(authority.as_str()),
            None => single_host(&parts.headers).and_then(Host::of),
        };
        let (prefix, root) = Default::default();
        Self {
            is_https: is_tls(&parts.extensions),
            host,
            prefix,
            root,
        }
    }
}

/// Returns the `Host` if there is exactly one. If there are several, a cache may have used any of
/// them.
pub(crate) fn single_host(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?;
    hosts.next().is_none().then_some(host)
}

/// Writes the URL of the application's first page.
impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.origin().unwrap_or_default(), self.prefix())
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.facts(), f)
    }
}

/// Returns a path for [`Facts`]: empty, or like `/a/b`. `None` if the text is not a plain path at
/// which an application could be mounted.
pub(crate) fn plain_path(text: &str) -> Option<Box<str>> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty() {
        return Some(Box::default());
    }
    // RFC 3986 §3.3, without characters that have a meaning in HTML or in a cookie.
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$()*+,=:@%".contains(&byte);
    let names = path.strip_prefix('/')?;
    let is_name = |name: &str| !name.is_empty() && !is_dots(name) && name.bytes().all(is_fit);
    names.split('/').all(is_name).then(|| path.into())
}

/// Returns whether the name is `.` or `..`, encoded or not, which leads somewhere else (RFC 3986
/// §5.2.4).
pub(crate) fn is_dots(name: &str) -> bool {
    let decoded = name.replace("%2e", ".").replace("%2E", ".");
    decoded == "." || decoded == ".."
}
