//! Which hosts.

use std::fmt;
use std::str::FromStr;

use crate::PublicUrl;
use crate::host::{Host, rooted};

/// A host that an application answers to: `example.org`, `*.example.org` for a host with all below
/// it, an address (`192.0.2.1`, `[2001:db8::1]`). With a port it stands for that port only, without
/// one for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: Host,
    with_all_below: bool,
}

/// What is no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost(String);

impl AllowedHost {
    fn is(&self, name: &str, port: u16) -> bool {
        if self.host.port.is_some_and(|own| own != port) {
            return false;
        }
        let Some(before) = name.strip_suffix(self.host.name()) else {
            return false;
        };
        before.is_empty() || self.with_all_below && before.ends_with('.')
    }
}

impl FromStr for AllowedHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        let (text, with_all_below) = match text.trim().strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text.trim(), false),
        };
        let host = Host::parse(text).ok_or_else(invalid)?;
        if with_all_below && host.is_address() {
            return Err(invalid());
        }
        Ok(Self {
            host: host.without_root().ok_or_else(invalid)?,
            with_all_below,
        })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.with_all_below {
            f.write_str("*.")?;
        }
        self.host.fmt(f)
    }
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no host: write example.org, *.example.org, example.org:8443 or an address",
            self.0
        )
    }
}

impl std::error::Error for InvalidHost {}

/// All hosts that an application answers to. One of them is enough.
///
/// ```
/// use euryale_forwarded::{AllowedHost, AllowedHosts};
///
/// let hosts: AllowedHosts = "example.org, *.example.org:8443, 127.0.0.1".parse()?;
/// let same: AllowedHosts = ["example.org", "*.example.org:8443", "127.0.0.1"]
///     .iter()
///     .map(|host| host.parse::<AllowedHost>())
///     .collect::<Result<_, _>>()?;
/// assert_eq!(hosts, same);
/// # Ok::<(), euryale_forwarded::InvalidHost>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<AllowedHost>);

impl AllowedHosts {
    /// Is the host of this address one of them?
    pub fn contain(&self, url: &PublicUrl) -> bool {
        let Some(name) = url.host().map(rooted) else {
            return false;
        };
        self.0.iter().any(|host| host.is(name, url.port()))
    }
}

impl FromIterator<AllowedHost> for AllowedHosts {
    fn from_iter<T: IntoIterator<Item = AllowedHost>>(hosts: T) -> Self {
        Self(hosts.into_iter().collect())
    }
}

/// Hosts with commas between them.
impl FromStr for AllowedHosts {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        text.split(',')
            .filter(|part| !part.trim().is_empty())
            .map(str::parse)
            .collect()
    }
}
