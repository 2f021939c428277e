//! The header fields by which proxies tell whom they speak for.

use http::{HeaderMap, HeaderName};

use crate::refusal::Malformed;

/// A field that a trusted proxy sets, or takes out of what a client sends. Only such ones may be believed: what a
/// proxy passes on as it came is the client's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `Forwarded` (RFC 7239): `for`, `proto` and `host`. Where it is listed, `X-Forwarded-For`, `-Proto` and `-Host`
    /// are not looked at.
    Forwarded,
    /// `X-Forwarded-For`: addresses, to which each proxy adds that of its peer.
    XForwardedFor,
    /// `X-Forwarded-Proto`: `http` or `https`; or `ws` or `wss`, which Traefik writes and which mean the same.
    XForwardedProto,
    /// `X-Forwarded-Host`: what the client sent as `Host`.
    XForwardedHost,
    /// `X-Forwarded-Port`: the port that the client asked. One in the host counts more.
    XForwardedPort,
    /// `X-Forwarded-Prefix`: the path that a proxy took away from the beginning of the request's.
    XForwardedPrefix,
}

impl Field {
    /// The five that are no standard.
    pub(crate) const X_FORWARDED: [Self; 5] = [
        Self::XForwardedFor,
        Self::XForwardedProto,
        Self::XForwardedHost,
        Self::XForwardedPort,
        Self::XForwardedPrefix,
    ];

    pub(crate) fn name(self) -> &'static str {
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

/// Other fields that some proxies or frameworks take for the truth, and those that would look like marks of our own.
const OTHERS: [&str; 4] = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"];
const FAMILIES: [&str; 2] = ["x-forwarded", "x-euryale-"];

/// Takes all of them away: what was believed is in typed extensions by then.
pub(crate) fn remove(headers: &mut HeaderMap) {
    let is_meant = |name: &&HeaderName| {
        OTHERS.contains(&name.as_str()) || FAMILIES.iter().any(|start| name.as_str().starts_with(start))
    };
    let found: Vec<HeaderName> = headers.keys().filter(is_meant).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// The elements of a list (RFC 9110 §5.6.1), whichever lines they stand in. Empty ones do not count.
pub(crate) fn list(headers: &HeaderMap, field: Field) -> Result<Vec<&str>, Malformed> {
    let mut elements = Vec::new();
    for line in headers.get_all(field.name()) {
        let line = line.to_str().map_err(|_| Malformed(field.name()))?;
        elements.extend(line.split(',').map(str::trim).filter(|element| !element.is_empty()));
    }
    Ok(elements)
}
