//! The proxies that a server trusts.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use euryale_core::request::PeerAddr;
use ipnet::IpNet;

/// A proxy or a network of proxies: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`, or `unix` for every
/// process that may connect to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrustedProxy(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Network(IpNet),
    Unix,
}

/// The error for a text that is not a [`TrustedProxy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProxy(String);

impl TrustedProxy {
    /// Every process that may connect to a Unix socket, as its mode and owner allow.
    pub const UNIX: Self = Self(Kind::Unix);

    fn contains(&self, address: IpAddr) -> bool {
        matches!(self.0, Kind::Network(network) if network.contains(&address))
    }
}

/// Parses the notation of RFC 4632 §3.1 and RFC 4291 §2.3. Bits beyond the prefix are refused,
/// because they are probably a mistake.
impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        if text == "unix" {
            return Ok(Self::UNIX);
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(host) = address.parse::<IpAddr>() else {
            let invalid = format!("`{address}` is no IP address, and not `unix`");
            return Err(InvalidProxy(invalid));
        };
        let host = IpNet::from(host);
        let network = match length {
            None => host,
            Some(length) => with_prefix(host, length).ok_or_else(|| {
                let bits = host.max_prefix_len();
                InvalidProxy(format!("a prefix has 0 to {bits} bits, as in {host}"))
            })?,
        };
        let meant = network.trunc();
        if network != meant {
            let invalid = format!("{text} has bits behind its prefix; is {meant} meant?");
            return Err(InvalidProxy(invalid));
        }
        Ok(Self(Kind::Network(network)))
    }
}

fn with_prefix(host: IpNet, length: &str) -> Option<IpNet> {
    // `u8` would also accept a sign.
    let length = length.parse().ok().filter(|_| !length.starts_with('+'))?;
    IpNet::new(host.addr(), length).ok()
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Kind::Network(network) => network.fmt(f),
            Kind::Unix => f.write_str("unix"),
        }
    }
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidProxy {}

/// The trusted proxies. By default there are none.
///
/// ```
/// use euryale_forwarded::TrustedProxies;
///
/// let proxies: TrustedProxies = "127.0.0.1, 10.0.0.0/8, unix".parse()?;
/// assert!(proxies.contain(std::net::SocketAddr::from(([10, 1, 2, 3], 4)).into()));
/// assert!(!TrustedProxies::none().contain(euryale_core::request::PeerAddr::Unix));
/// # Ok::<(), euryale_forwarded::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedProxy>);

impl TrustedProxies {
    /// Returns the empty list, which trusts no peer.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns whether the peer at this address is trusted. An unknown peer never is.
    pub fn contain(&self, peer: PeerAddr) -> bool {
        match peer.ip() {
            Some(address) => self.contain_ip(address),
            None => peer == PeerAddr::Unix && self.0.contains(&TrustedProxy::UNIX),
        }
    }

    /// Returns whether the list is empty, so that no peer is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contain_ip(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| proxy.contains(address))
    }
}

impl FromIterator<TrustedProxy> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = TrustedProxy>>(proxies: I) -> Self {
        Self(proxies.into_iter().collect())
    }
}

/// Parses proxies that are separated by commas.
impl FromStr for TrustedProxies {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        text.split(',').map(|proxy| proxy.trim().parse()).collect()
    }
}
