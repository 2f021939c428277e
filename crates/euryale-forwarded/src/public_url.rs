//! The address that a client sees.

use std::fmt;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};

use crate::host::{Host, default_port};
use crate::peer::is_tls;
use crate::visit::Visit;

/// The address at which the client sees the application, scheme, host and the path below which it
/// stands. A request has it: [`of`](Self::of) its extensions.
///
/// An application whose clients see a different address from its own builds links, redirects and
/// the paths of cookies with it. Paths go in and come out percent-encoded, and begin with a slash.
///
/// Without a proxy that is believed it is what the request itself says: its `Host`, or the
/// authority of its target (RFC 9112 §3.2.2, RFC 9113 §8.3.1), with the scheme of the socket.
/// `Host` is the client's choice. Before you keep something that was made for one client and show
/// it to another, check that the host is yours.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    is_https: bool,
    host: Option<Host>,
    /// None: both are empty, as they mostly are.
    paths: Option<Arc<Paths>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Paths {
    prefix: Box<str>,
    root: Box<str>,
}

/// What a [`PublicUrl`] is made of.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) is_https: bool,
    pub(crate) host: Option<Host>,
    /// The prefix of the application's paths: empty, or `/a/b`.
    pub(crate) prefix: Box<str>,
    /// What the client does not see of them: empty, or `/a/b`.
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

    /// That of a request with these extensions. None: neither
    /// [`ForwardedLayer`](crate::ForwardedLayer) nor [`VirtualHostLayer`](crate::VirtualHostLayer)
    /// is around the caller.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Visit>().map(|visit| &visit.url)
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

    /// Does the client use TLS?
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    /// The host's name or address without its port, in lower case, IPv6 in brackets. None: the
    /// request named no host, or none that can be one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().map(Host::name)
    }

    /// The port, be it said or that of the scheme.
    pub fn port(&self) -> u16 {
        self.host
            .as_ref()
            .and_then(|host| host.port)
            .unwrap_or(default_port(self.is_https))
    }

    /// The path below which the application stands: empty, or like `/a/b`.
    pub fn prefix(&self) -> &str {
        self.paths.as_ref().map_or("", |paths| &paths.prefix)
    }

    /// The part of the application that is to be seen: empty for all of it, or like `/a/b`.
    pub fn root(&self) -> &str {
        self.paths.as_ref().map_or("", |paths| &paths.root)
    }

    /// Scheme, host and a port other than the scheme's: `https://example.org`.
    pub fn origin(&self) -> Option<String> {
        self.host
            .as_ref()
            .map(|host| format!("{}://{host}", self.scheme()))
    }

    /// Where the client has what the application calls `path`, which may have a query behind it.
    /// None: it is outside the [`root`](Self::root), and cannot be reached from here.
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

    /// The same with the origin before it; without, where no host is known: for `Location`, mails
    /// and feeds.
    ///
    /// As `absolute_url` of Zope.
    pub fn url(&self, path: &str) -> Option<String> {
        let path = self.path(path)?;
        Some(self.origin().unwrap_or_default() + &path)
    }

    /// The attributes of a cookie that comes back to this application, and only the way it came:
    /// `Path=/a`, with `Secure` if the client uses TLS (RFC 6265 §5.2.4 and §5.2.5). Other
    /// attributes are the application's choice.
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

/// The only one: of several, nobody knows which a cache has taken.
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

/// A path for [`Facts`]: empty, or like `/a/b`. None if it is not a plain path, which nobody would
/// call his home.
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
