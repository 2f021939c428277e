//! Parses the identifiers by which proxies report their peers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use euryale_core::request::PeerAddr;

use crate::TrustedProxies;
use crate::refusal::Malformed;

/// A peer of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Ip(IpAddr),
    /// A peer on a Unix socket, as nginx writes it.
    Unix,
    /// `unknown`, or an obfuscated identifier (RFC 7239 §6.2, §6.3).
    Hidden,
}

impl Node {
    /// Parses an address with or without a port, IPv6 with or without brackets.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Ip(address.to_canonical()));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if has_scope(&address) {
                None
            } else {
                Some(Self::Ip(address.ip().to_canonical()))
            };
        }
        if let Some(address) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return Some(Self::Ip(
                IpAddr::V6(address.parse::<Ipv6Addr>().ok()?).to_canonical(),
            ));
        }
        match text {
            "unix:" => Some(Self::Unix),
            _ if text.eq_ignore_ascii_case("unknown") => Some(Self::Hidden),
            _ => obfuscated(text).then_some(Self::Hidden),
        }
    }

    fn is_trusted(self, proxies: &TrustedProxies) -> bool {
        match self {
            Self::Ip(address) => proxies.contain_ip(address),
            Self::Unix => proxies.contain(PeerAddr::Unix),
            Self::Hidden => false,
        }
    }

    fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address),
            Self::Unix | Self::Hidden => None,
        }
    }
}

/// Returns whether an address has a scope, which has a meaning only on its own machine.
fn has_scope(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(address) if SocketAddrV6::scope_id(address) != 0)
}

/// Returns whether the text is `"_" 1*( ALPHA / DIGIT / "." / "_" / "-")`, with or without a port
/// of the same kind (RFC 7239 §6).
fn obfuscated(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    text.strip_prefix('_')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(is_fit))
}

/// The maximum number of trusted proxies in a chain; a longer chain is a loop or an attack.
const MOST_HOPS: usize = 32;

/// The result of following the chain back to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) client: Option<IpAddr>,
    /// The number of elements at the end of a list that trusted proxies wrote.
    pub(crate) hops: usize,
}

/// Follows the chain back from `peer`, which is trusted and wrote the last of `nodes`. It stops at
/// the first address that is not trusted, at the end, or after `max_hops` nodes. Addresses before
/// that point may be forged, and are ignored.
pub(crate) fn walk<'a>(
    peer: PeerAddr,
    nodes: impl DoubleEndedIterator<Item = Option<&'a str>>,
    proxies: &TrustedProxies,
    max_hops: usize,
    field: &'static str,
) -> Result<Walk, Malformed> {
    let mut walk = Walk {
        client: peer.ip(),
        hops: 0,
    };
    for node in nodes.rev() {
        let node = node
            .map_or(Some(Node::Hidden), Node::parse)
            .ok_or(Malformed(field))?;
        walk = Walk {
            client: node.ip(),
            hops: walk.hops + 1,
        };
        if walk.hops > MOST_HOPS {
            return Err(Malformed(field));
        }
        if walk.hops >= max_hops || !node.is_trusted(proxies) {
            break;
        }
    }
    Ok(walk)
}

impl Walk {
    /// Returns the element of the proxy that the client talked to, from a list to which each proxy
    /// adds an element. If a proxy has replaced the list, it is shorter, and its first element
    /// counts.
    pub(crate) fn pick<T>(self, list: &[T]) -> Option<&T> {
        list.get(list.len().saturating_sub(self.hops.max(1)))
    }
}
