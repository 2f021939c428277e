//! The header fields in which proxies describe the client.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

use crate::refusal::Malformed;

/// A header field that trusted proxies set or remove in every request. Only such fields may be
/// trusted, because a field that a proxy passes on unchanged was written by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `Forwarded` (RFC 7239): `for`, `proto` and `host`. If it is listed, `X-Forwarded-For`,
    /// `-Proto` and `-Host` are ignored.
    Forwarded,
    /// `X-Forwarded-For`: a list of addresses, to which each proxy adds the address of its peer.
    XForwardedFor,
    /// `X-Forwarded-Proto`: `http` or `https`; or `ws` or `wss`, which Traefik writes and which
    /// mean the same.
    XForwardedProto,
    /// `X-Forwarded-Host`: the `Host` that the client sent.
    XForwardedHost,
    /// `X-Forwarded-Port`: the port that the client used. A port in the host overrides it.
    XForwardedPort,
    /// `X-Forwarded-Prefix`: the path that a proxy removed from the beginning of the request's
    /// path.
    XForwardedPrefix,
}

impl Field {
    /// The five `X-Forwarded` fields, which are not standardized.
    pub const X_FORWARDED: [Self; 5] = [
        Self::XForwardedFor,
        Self::XForwardedProto,
        Self::XForwardedHost,
        Self::XForwardedPort,
        Self::XForwardedPrefix,
    ];

    /// Returns the field's name in lower case, as in HTTP/2.
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

/// Parses the name in upper or lower case.
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

/// Other fields that some proxies or frameworks trust, which are removed as well.
const OTHERS: [&str; 4] = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"];
const FAMILIES: [&str; 2] = ["x-forwarded", "x-euryale-"];

/// Removes all forwarded fields, after the trusted ones have been read.
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

/// Returns the elements of a list from all of its lines, without empty elements (RFC 9110 §5.6.1).
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
