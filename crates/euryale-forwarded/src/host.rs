//! Hosts, as written in `Host` and in URLs.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use http::HeaderValue;

/// A name or an address in lower case, with an optional port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// The name, or an address with IPv6 in brackets. A name that needs no change shares its memory
    /// with the head.
    name: HeaderValue,
    pub(crate) port: Option<u16>,
}

impl Host {
    /// The length of the longest DNS name, plus a margin for brackets and port.
    const LONGEST: usize = 263;

    /// Parses `host [":" port]` of RFC 9110 §7.2. Characters that RFC 3986 §3.2.2 allows but no
    /// real host has are refused, because the host is used in URLs, headers and pages.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, port) = Self::split(text)?;
        Some(Self {
            name: HeaderValue::from_str(&name).ok()?,
            port,
        })
    }

    /// Parses the value of a header field.
    pub(crate) fn of(field: &HeaderValue) -> Option<Self> {
        let (name, port) = Self::split(field.to_str().ok()?)?;
        let is_all = field == &*name;
        Some(Self {
            name: if is_all {
                field.clone()
            } else {
                HeaderValue::from_str(&name).ok()?
            },
            port,
        })
    }

    fn split(text: &str) -> Option<(Cow<'_, str>, Option<u16>)> {
        if text.len() > Self::LONGEST {
            return None;
        }
        let (name, rest): (Cow<'_, str>, _) = match text.strip_prefix('[') {
            Some(inside) => {
                let (address, rest) = inside.split_once(']')?;
                (
                    format!("[{}]", address.parse::<Ipv6Addr>().ok()?).into(),
                    rest,
                )
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                let is_fit =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_fit) {
                    return None;
                }
                let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
                (
                    if is_lower {
                        name.into()
                    } else {
                        name.to_ascii_lowercase().into()
                    },
                    rest,
                )
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            // RFC 3986 §3.2.3: an empty port is the default one.
            Some("") => None,
            Some(port) => Some(parse_port(port)?),
        };
        Some((name, port))
    }

    pub(crate) fn name(&self) -> &str {
        // The name is ASCII.
        self.name.to_str().unwrap_or_default()
    }

    /// Removes the final dot of the DNS root.
    pub(crate) fn without_root(self) -> Option<Self> {
        Some(Self {
            name: HeaderValue::from_str(rooted(self.name())).ok()?,
            ..self
        })
    }

    /// Removes the port if it is the scheme's default.
    pub(crate) fn without_default_port(mut self, is_https: bool) -> Self {
        self.port = self.port.filter(|port| *port != default_port(is_https));
        self
    }

    pub(crate) fn is_address(&self) -> bool {
        self.name().starts_with('[') || self.name().parse::<std::net::Ipv4Addr>().is_ok()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

pub(crate) fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

/// Parses a port. It must consist of digits, and must not be 0.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

/// Removes the final dot of a DNS name, which has no meaning.
pub(crate) fn rooted(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}
