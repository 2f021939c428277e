//! The table of hosts and their roots.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::Directive;
use crate::PublicUrl;
use crate::host::Host;

/// The parts of the application that hosts show, like VirtualHostMonster's mappings.
///
/// Each line is one mapping: `host/path`, `host:port/path`, or `*.host/path` for a host and its
/// subdomains. A scheme before it is ignored, and `#` begins a comment. A host without a mapping
/// shows the whole application. The path may contain `VirtualHostBase` and `VirtualHostRoot`, like
/// the paths that proxies write.
///
/// An exact host overrides a `*` host. If several `*` hosts match, the longest name counts, and a
/// mapping with a port overrides one without.
///
/// ```
/// use euryale_forwarded::HostTable;
///
/// let table: HostTable = "
///     www.example.org/site
///     *.example.org:8080/tenants
///     old.example.org/VirtualHostBase/https/www.example.org/site/VirtualHostRoot/_vh_archive
/// ".parse()?;
/// assert!("192.0.2.1/site".parse::<HostTable>().is_err(), "names only, as in Zope");
/// # Ok::<(), euryale_forwarded::InvalidLine>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTable {
    exact: Hosts,
    below: Hosts,
}

type Hosts = HashMap<Box<str>, HashMap<Option<u16>, Directive>>;

/// An invalid line of a [`HostTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLine {
    line: String,
    reason: &'static str,
}

impl HostTable {
    fn insert(&mut self, line: &str) -> Result<(), &'static str> {
        let line = line.split_once("://").map_or(line, |(_, rest)| rest);
        let (host, path) = line
            .split_once('/')
            .ok_or("a slash must stand between host and path")?;
        let (hosts, host) = match host.trim().strip_prefix("*.") {
            Some(host) => (&mut self.below, host),
            None => (&mut self.exact, host.trim()),
        };
        let host = Host::parse(host).ok_or("this is no host")?;
        if host.is_address() {
            return Err("addresses cannot be mapped, only names");
        }
        let path = format!("/{}", path.trim());
        let written = Directive::parse(&path).map_err(|_| "this is no path of a virtual host")?;
        // Without a directive, the path is the root.
        let is_whole = written
            .as_ref()
            .is_some_and(|_| path.contains("/VirtualHostRoot"));
        let path = if is_whole {
            path
        } else {
            format!("{path}/VirtualHostRoot")
        };
        let directive = Directive::parse(&path)
            .ok()
            .flatten()
            .ok_or("this is no path")?;
        if !matches!(directive.path.as_str(), "" | "/") {
            return Err("behind VirtualHostRoot there may be _vh_ names only");
        }
        hosts
            .entry(host.name().into())
            .or_default()
            .insert(host.port, directive);
        Ok(())
    }

    /// Returns the part of the application that `url` shows, or `None` if it shows all of it.
    pub(crate) fn find(&self, url: &PublicUrl) -> Option<&Directive> {
        let name = url.host()?;
        let ports = self.exact.get(name).or_else(|| {
            let dots = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
            std::iter::once(name)
                .chain(dots)
                .find_map(|parent| self.below.get(parent))
        })?;
        ports.get(&Some(url.port())).or_else(|| ports.get(&None))
    }
}

impl FromStr for HostTable {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let mut table = Self::default();
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        for line in lines.filter(|line| !line.is_empty()) {
            table.insert(line).map_err(|reason| InvalidLine {
                line: line.to_owned(),
                reason,
            })?;
        }
        Ok(table)
    }
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.line, self.reason)
    }
}

impl std::error::Error for InvalidLine {}
