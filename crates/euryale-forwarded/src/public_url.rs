//! The address that a client sees.

use std::fmt;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};

use crate::host::{Host, default_port};
use crate::peer::is_tls;
use crate::visit::Visit;

/// The address at which the client sees the application: scheme, host and the path that it is
/// mounted at. Get it with [`of`](Self::of) from the extensions of a request.
///
/// An application whose clients see a different address builds links, redirects and the paths of
/// cookies with it. Paths are percent-encoded, both as arguments and as results, and begin with a
/// slash.
///
/// Without a trusted proxy it is taken from the request itself: its `Host`, or the authority of its
/// target (RFC 9112 §3.2.2, RFC 9113 §8.3.1), with the scheme of the socket. `Host` is the client's
/// choice. Before you keep something that was made for one client and show it to another, check
/// that the host is yours.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    is_https: bool,
    host: Option<Host>,
    /// None if both are empty, as they mostly are.
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
    /// The part of the paths that the client does not see: empty, or `/a/b`.
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

    /// The public URL of a request with these extensions. None if neither
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

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    /// The host's name or address without its port, in lower case, IPv6 in brackets. None if the
    /// request has no host, or an invalid one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().map(Host::name)
    }

    /// The port, explicit or the scheme's default.
    pub fn port(&self) -> u16 {
        self.host
            .as_ref()
            .and_then(|host| host.port)
            .unwrap_or(default_port(self.is_https))
    }

    /// The path that the application is mounted at: empty, or like `/a/b`.
    pub fn prefix(&self) -> &str {
        self.paths.as_ref().map_or("", |paths| &paths.prefix)
    }

    /// The visible part of the application: empty for all of it, or like `/a/b`.
    pub fn root(&self) -> &str {
        self.paths.as_ref().map_or("", |paths| &paths.root)
    }

    /// Scheme, host and a port other than the scheme's: `https://example.org`.
    pub fn origin(&self) -> Option<String> {
        self.host
            .as_ref()
            .map(|host| format!("{}://{host}", self.scheme()))
    }

    /// The client's path for the application's `path`, which may end with a query. None if it is
    /// outside the [`root`](Self::root), and cannot be reached from here.
    ///
    /// As `physicalPathToVirtualPath` of Zope.
    pub fn path(&self, path: &str) -> Option<String> {
        let below = path.strip_prefix(self.root())?;
        match below.as_bytes().first() {
            Some(b'/') => Some(format!("{}{below}", self.prefix())),
            None | Some(b'?' | b'#') => Some(format!("{}/{below}", self.prefix())),
            Some(_) => None,
        }
    }

    /// The same with the origin before it, unless no host is known: for `Location`, mails and
    /// feeds.
    ///
    /// As `absolute_url` of Zope.
    pub fn url(&self, path: &str) -> Option<String> {
        let path = self.path(path)?;
        Some(self.origin().unwrap_or_default() + &path)
    }

    /// The attributes of a cookie that is sent back to this application only, and only over the
    /// same scheme: `Path=/a`, with `Secure` if the client uses TLS (RFC 6265 §5.2.4 and §5.2.5).
    /// Other attributes are the application's choice.
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
    /// What the request itself says.
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

/// The only one: of several, a cache may have used any.
pub(crate) fn single_host(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?;
    hosts.next().is_none().then_some(host)
}

/// As the URL of the application's first page.
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

/// A path for [`Facts`]: empty, or like `/a/b`. None if it is not a plain path, which no
/// application is mounted at.
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

/// `.` or `..`, encoded or not: it leads somewhere else (RFC 3986 §5.2.4).
pub(crate) fn is_dots(name: &str) -> bool {
    let decoded = name.replace("%2e", ".").replace("%2E", ".");
    decoded == "." || decoded == ".."
}
