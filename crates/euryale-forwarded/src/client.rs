//! The client of a request, as reported by trusted proxies.

use std::fmt;
use std::net::IpAddr;

use http::Extensions;

use crate::visit::Visit;

/// The client that sent a request, as reported by trusted proxies: [`of`](Self::of) the extensions
/// of the request.
///
/// It is the peer, or, if that is a trusted proxy, the last address in its headers that does not
/// belong to a trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) is_proxied: bool,
}

impl Client {
    /// The client of a request with these extensions. None if there is no
    /// [`ForwardedLayer`](crate::ForwardedLayer) around the caller.
    ///
    /// It is not an extension of its own, so `extensions.get::<Client>()` finds nothing: it is in
    /// the [`RequestContext`](euryale_core::request::RequestContext), because an extension makes
    /// every copy of a head more expensive.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        Visit::of(extensions).and_then(|visit| visit.client)
    }

    /// Its address. None for a peer on a Unix socket, and if a proxy does not report it (RFC 7239
    /// §6.2 and §6.3).
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Returns whether a trusted proxy forwarded this request. Then other layers may accept from it
    /// what they accept from proxies only, such as offers to send files.
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
