//! The client of a request, as reported by trusted proxies.

use std::fmt;
use std::net::IpAddr;

use http::Extensions;

use crate::visit::Visit;

/// The client that sent a request, as reported by trusted proxies: [`of`](Self::of) the extensions
/// of the request.
///
/// It is the peer, or, when that is a trusted proxy, the last of the addresses that its headers
/// name that is not itself a trusted proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) is_proxied: bool,
}

impl Client {
    /// That of a request with these extensions. None: no [`ForwardedLayer`](crate::ForwardedLayer)
    /// is around the caller.
    ///
    /// It is not an extension of its own, so `extensions.get::<Client>()` finds nothing: client and
    /// address share one, for each costs in every copy of a head.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Visit>().and_then(|visit| visit.client)
    }

    /// Its address; none for a peer at a Unix socket, and where a proxy does not tell (RFC 7239
    /// §6.2 and §6.3).
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Did a trusted proxy send this request on? Then what other layers take from proxies only,
    /// such as offers to send files, may be taken.
    pub fn is_proxied(&self) -> bool {
        self.is_proxied
    }
}

/// The address, or `unknown`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => ip.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
