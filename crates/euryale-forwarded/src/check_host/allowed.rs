//! The list of allowed hosts.

use std::fmt;
use std::str::FromStr;

use http::Version;
use http::header::HOST;
use http::request::Parts;

use crate::PublicUrl;
use crate::host::{Host, rooted};

/// A host that an application answers to: `example.org`, `*.example.org` for a host and its
/// subdomains, or an address (`192.0.2.1`, `[2001:db8::1]`). With a port it matches only that port,
/// otherwise all ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: Host,
    with_all_below: bool,
}

/// The text that is not a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost(String);

impl AllowedHost {
    fn is(&self, name: &str, port: u16) -> bool {
        if self.host.port.is_some_and(|own| own != port) {
            return false;
        }
        let Some(before) = name.strip_suffix(self.host.name()) else {
            return false;
        };
        before.is_empty() || self.with_all_below && before.ends_with('.')
    }
}

impl FromStr for AllowedHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        let (text, with_all_below) = match text.trim().strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text.trim(), false),
        };
        let host = Host::parse(text).ok_or_else(invalid)?;
        if with_all_below && host.is_address() {
            return Err(invalid());
        }
        Ok(Self {
            host: host.without_root().ok_or_else(invalid)?,
            with_all_below,
        })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.with_all_below {
            f.write_str("*.")?;
        }
        self.host.fmt(f)
    }
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no host: write example.org, *.example.org, example.org:8443 or an address",
            self.0
        )
    }
}

impl std::error::Error for InvalidHost {}

/// The hosts that an application answers to. A request must match one of them.
///
/// ```
/// use euryale_forwarded::{AllowedHost, AllowedHosts};
///
/// let hosts: AllowedHosts = "example.org, *.example.org:8443, 127.0.0.1".parse()?;
/// let same: AllowedHosts = ["example.org", "*.example.org:8443", "127.0.0.1"]
///     .iter()
///     .map(|host| host.parse::<AllowedHost>())
///     .collect::<Result<_, _>>()?;
/// assert_eq!(hosts, same);
/// # Ok::<(), euryale_forwarded::InvalidHost>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Allowed);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Listed(Vec<AllowedHost>),
    Local,
}

impl AllowedHosts {
    /// Returns `localhost` and every IP address, with any port: the hosts of a program that serves
    /// only its own machine.
    ///
    /// This stops DNS rebinding: if `evil.example` is made to resolve to `127.0.0.1`, its pages can
    /// access the program there, because the browser considers it their own origin. But the browser
    /// still sends `evil.example` as `Host`, and neither an address nor `localhost` (RFC 6761 §6.3)
    /// can be redirected like this. An HTTP/1.0 request without a host is accepted, because
    /// browsers always send one.
    pub fn local() -> Self {
        Self(Allowed::Local)
    }

    /// Returns whether the host of this URL is allowed.
    pub fn contain(&self, url: &PublicUrl) -> bool {
        let Some(host) = url.named_host() else {
            return false;
        };
        let name = rooted(host.name());
        match &self.0 {
            Allowed::Listed(hosts) => hosts.iter().any(|host| host.is(name, url.port())),
            Allowed::Local => name == "localhost" || host.is_address(),
        }
    }

    /// Returns whether a request with this head may do without a host.
    pub(super) fn excuse(&self, parts: &Parts) -> bool {
        self.0 == Allowed::Local
            && parts.version < Version::HTTP_11
            && parts.uri.authority().is_none()
            && !parts.headers.contains_key(HOST)
    }
}

/// The empty list, which allows no host.
impl Default for AllowedHosts {
    fn default() -> Self {
        Self(Allowed::Listed(Vec::new()))
    }
}

impl FromIterator<AllowedHost> for AllowedHosts {
    fn from_iter<T: IntoIterator<Item = AllowedHost>>(hosts: T) -> Self {
        Self(Allowed::Listed(hosts.into_iter().collect()))
    }
}

/// Parses hosts that are separated by commas.
impl FromStr for AllowedHosts {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        text.split(',')
            .filter(|part| !part.trim().is_empty())
            .map(str::parse)
            .collect()
    }
}
