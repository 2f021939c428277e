//! Which foreign addresses this program may request. A URL in a request comes from a stranger:
//! without this check it could reach everything that this machine can reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::uri::Authority;
use reqwest::Url;
use serde::{Serialize, Serializer};

/// A host from which feeds may come: `example.org`, with the default port of `http` or `https`, or
/// `example.org:8080`, with this port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedHost {
    /// As URLs have it: in lower case, and IPv6 in brackets.
    pub(super) name: String,
    port: Option<u16>,
}

impl FeedHost {
    /// Returns whether the address is on this host, at an allowed port.
    pub(super) fn has(&self, url: &Url) -> bool {
        let default = match url.scheme() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        url.host_str() == Some(&self.name) && url.port_or_known_default() == self.port.or(default)
    }
}

impl FromStr for FeedHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "write a host, for example example.org or example.org:8080";
        let authority: Authority = text.parse().map_err(|_| WANTED)?;
        let host = authority.host();
        let port = authority.port_u16();
        let behind_host = &text[host.len().min(text.len())..];
        let is_whole = text.starts_with(host)
            && port.map_or(behind_host.is_empty(), |port| {
                behind_host == format!(":{port}")
            });
        let url = Url::parse(&format!("http://{host}/")).map_err(|_| WANTED)?;
        match url.host_str() {
            Some(name) if is_whole => Ok(Self {
                name: name.to_owned(),
                port,
            }),
            _ => Err(WANTED),
        }
    }
}

impl fmt::Display for FeedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Serialize for FeedHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a feed is not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not the address of a feed.
    NoUrl,
    /// Its host is not on the list, or not with this port.
    Host,
}

/// Returns whether it is an address of the public Internet (IANA's registries of special-purpose
/// addresses, RFC 6890).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b) {
        // This network, loopback, private use, reserved addresses, multicast and broadcast.
        (0 | 10 | 127 | 224..=255, _) => true,
        // Shared by carriers, link-local, private use, benchmarks.
        (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18 | 19) => true,
        (192, 0) => c == 0 || c == 2,
        (198, 51) => c == 100,
        (203, 0) => c == 113,
        _ => false,
    };
    !is_special
}

/// Only 2000::/3 is allocated; an address that embeds an IPv4 address is as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Protocol assignments (Teredo among them), and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}
