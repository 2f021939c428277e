//! The header fields in which proxies describe the client.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

use crate::refusal::Malformed;

/// A field that a trusted proxy sets, or removes from what a client sends. Only such fields may be
/// trusted: a field that a proxy passes on unchanged was written by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `Forwarded` (RFC 7239): `for`, `proto` and `host`. If it is listed, `X-Forwarded-For`,
    /// `-Proto` and `-Host` are ignored.
    Forwarded,
    /// `X-Forwarded-For`: addresses, to which each proxy adds that of its peer.
    XForwardedFor,
    /// `X-Forwarded-Proto`: `http` or `https`; or `ws` or `wss`, which Traefik writes and which
    /// mean the same.
    XForwardedProto,
    /// `X-Forwarded-Host`: what the client sent as `Host`.
    XForwardedHost,
    /// `X-Forwarded-Port`: the port that the client used. A port in the host overrides it.
    XForwardedPort,
    /// `X-Forwarded-Prefix`: the path that a proxy removed from the beginning of the request's
    /// path.
    XForwardedPrefix,
}

impl Field {
    /// The five that are not standardized.
    pub const X_FORWARDED: [Self; 5] = [
        Self::XForwardedFor,
        Self::XForwardedProto,
        Self::XForwardedHost,
        Self::XForwardedPort,
        Self::XForwardedPrefix,
    ];

    /// Its name, as HTTP/2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x-forwarded-for",
            Self::XForwardedProto => "x-forwarded-proto",
            Self::XForwardedHost => "x-forwarded-host",
            Self::XForwardedPort => "x-forwarded-port",
            Self::XForwardedPrefix => "x-forwarded-prefix",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By its name, in any case.
impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, UnknownField> {
        let mut all = [Self::Forwarded].into_iter().chain(Self::X_FORWARDED);
        all.find(|field| field.name().eq_ignore_ascii_case(text))
            .ok_or(UnknownField)
    }
}

/// The error for a text that is not the name of a [`Field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownField;

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the fields are forwarded and x-forwarded-for, -proto, -host, -port and -prefix",
        )
    }
}

impl std::error::Error for UnknownField {}

/// Other fields that some proxies or frameworks take for the truth, and those that would look like
/// marks of our own.
const OTHERS: [&str; 4] = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"];
const FAMILIES: [&str; 2] = ["x-forwarded", "x-euryale-"];

/// Takes all of them away: what was believed is written down by then.
pub(crate) fn remove(headers: &mut HeaderMap) {
    let is_meant = |name: &&HeaderName| {
        OTHERS.contains(&name.as_str())
            || FAMILIES
                .iter()
                .any(|start| name.as_str().starts_with(start))
    };
    let found: Vec<HeaderName> = headers.keys().filter(is_meant).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// The elements of a list (RFC 9110 §5.6.1), from all of its lines. Empty ones do not count.
pub(crate) fn list(headers: &HeaderMap, field: Field) -> Result<Vec<&str>, Malformed> {
    let mut elements = Vec::new();
    for line in headers.get_all(field.name()) {
        let line = line.to_str().map_err(|_| Malformed(field.name()))?;
        elements.extend(
            line.split(',')
                .map(str::trim)
                .filter(|element| !element.is_empty()),
        );
    }
    Ok(elements)
}
