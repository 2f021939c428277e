//! The client of a request, as reported by trusted proxies.

use std::fmt;
use std::net::IpAddr;

use http::Extensions;

use crate::visit::Visit;

/// The client that sent a request, as reported by trusted proxies: [`of`](Self::of) the extensions
/// of the request.
///
/// This is the peer itself. If the peer is a trusted proxy, it is the last address in the proxy's
/// headers that does not belong to a trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) is_proxied: bool,
}

impl Client {
    /// Returns the client of a request with these extensions, or `None` if there is no
    /// [`ForwardedLayer`](crate::ForwardedLayer) around the caller.
    ///
    /// `extensions.get::<Client>()` finds nothing, because the client is stored in the
    /// [`RequestContext`](euryale_core::request::RequestContext): each extension makes every copy
    /// of a head more expensive.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        Visit::of(extensions).and_then(|visit| visit.client)
    }

    /// Returns the client's address. `None` for a peer on a Unix socket, and if a proxy does not
    /// report the address (RFC 7239 §6.2 and §6.3).
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Returns whether a trusted proxy forwarded this request. If so, other layers may accept
    /// headers that only a proxy may set, such as offers to send files.
    pub fn is_proxied(&self) -> bool {
        self.is_proxied
    }
}

/// Writes the address, or `unknown`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => ip.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
