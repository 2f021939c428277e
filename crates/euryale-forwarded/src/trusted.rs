//! The proxies that a server trusts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use euryale_core::PeerAddr;

/// A proxy, or a network of them: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`, or `unix` for whoever
/// may connect to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrustedProxy(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    V4 { network: Ipv4Addr, length: u8 },
    V6 { network: Ipv6Addr, length: u8 },
    Unix,
}

/// The error for a text that is not a [`TrustedProxy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProxy(String);

impl TrustedProxy {
    /// Every process that may connect to a Unix socket, as its mode and owner allow.
    pub const UNIX: Self = Self(Kind::Unix);

    fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address) {
            (Kind::V4 { network, length }, IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(length)
            }
            (Kind::V6 { network, length }, IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(length)
            }
            _ => false,
        }
    }
}

/// As RFC 4632 §3.1 and RFC 4291 §2.3 write them. Bits beyond the prefix are refused: they are a
/// mistake.
impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let invalid = |what: String| Err(InvalidProxy(what));
        if text == "unix" {
            return Ok(Self::UNIX);
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return invalid(format!("`{address}` is no IP address, and not `unix`"));
        };
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let digits = |text: &str| {
            if text.starts_with('+') {
                None
            } else {
                text.parse::<u8>().ok()
            }
        };
        let length = match length.map(digits) {
            None => bits,
            Some(Some(length)) if length <= bits => length,
            Some(_) => {
                return invalid(format!(
                    "a prefix has 0 to {bits} bits, as in {address}/{bits}"
                ));
            }
        };
        let (kind, network) = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                let network = Ipv4Addr::from_bits(address.to_bits() & mask);
                (Kind::V4 { network, length }, IpAddr::V4(network))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                let network = Ipv6Addr::from_bits(address.to_bits() & mask);
                (Kind::V6 { network, length }, IpAddr::V6(network))
            }
        };
        if network != address {
            return invalid(format!(
                "{text} has bits behind its prefix; is {network}/{length} meant?"
            ));
        }
        Ok(Self(kind))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::V4 {
                network,
                length: 32,
            } => network.fmt(f),
            Kind::V6 {
                network,
                length: 128,
            } => network.fmt(f),
            Kind::V4 { network, length } => write!(f, "{network}/{length}"),
            Kind::V6 { network, length } => write!(f, "{network}/{length}"),
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
/// assert!(!TrustedProxies::none().contain(euryale_core::PeerAddr::Unix));
/// # Ok::<(), euryale_forwarded::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedProxy>);

impl TrustedProxies {
    /// Nobody.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns whether the peer at this address is trusted. An unknown one never is.
    pub fn contain(&self, peer: PeerAddr) -> bool {
        match peer.ip() {
            Some(address) => self.contain_ip(address),
            None => peer == PeerAddr::Unix && self.0.contains(&TrustedProxy::UNIX),
        }
    }

    /// Nobody is trusted.
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

/// Separated by commas.
impl FromStr for TrustedProxies {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        text.split(',').map(|proxy| proxy.trim().parse()).collect()
    }
}
