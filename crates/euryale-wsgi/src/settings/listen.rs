//! Addresses of listeners.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::parse;

/// The address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Listens at this host and port. The host is a name or an address, IPv6 without brackets.
    Tcp(String, u16),
    /// Listens at this host and port with TLS.
    Tls(String, u16),
    /// The Unix socket with this path.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    /// Parses `127.0.0.1:8080`, `[::1]:8080`, `name:8080`, `*:8080` and `:8080` for all IPv4
    /// addresses, `8080` on 127.0.0.1; each of them with the prefix `tls:` for TLS; or `unix:PATH`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("write the path of a socket behind unix:".into()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let (is_tls, text) = match text.strip_prefix("tls:") {
            Some(address) => (true, address),
            None => (false, text),
        };
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let port = parse::number(port, 0, 65_535)
            .map_err(|_| "write an address and a port, for example 127.0.0.1:8080".to_owned())?;
        Ok(match is_tls {
            true => Self::Tls(plain(host), port),
            false => Self::Tcp(plain(host), port),
        })
    }
}

fn plain(host: &str) -> String {
    match host {
        "" | "*" => "0.0.0.0".into(),
        host => host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned(),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Tls(..) = self {
            f.write_str("tls:")?;
        }
        match self {
            Self::Tcp(host, port) | Self::Tls(host, port) if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            Self::Tcp(host, port) | Self::Tls(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The settings for addresses, of which only one kind may be used.
#[derive(Debug, Default)]
pub(crate) struct Place {
    listen: Option<Vec<Listen>>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) unix: Option<PathBuf>,
}

impl Place {
    pub(crate) fn listen(&mut self, value: &str) -> Result<(), String> {
        let several: Result<Vec<Listen>, String> = parse::words(value).map(str::parse).collect();
        let several = several?;
        if several.is_empty() {
            return Err("write an address and a port, for example 127.0.0.1:8080".into());
        }
        self.listen.get_or_insert_default().extend(several);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Option<Vec<Listen>>, String> {
        let has_host = self.host.is_some() || self.port.is_some();
        let kinds = [self.listen.is_some(), has_host, self.unix.is_some()];
        if kinds.into_iter().filter(|kind| *kind).count() > 1 {
            return Err("listen, host with port, and unix_socket exclude each other".into());
        }
        if let Some(path) = self.unix {
            if path.as_os_str().is_empty() {
                return Err("unix_socket = \"\": write a path".into());
            }
            return Ok(Some(vec![Listen::Unix(path)]));
        }
        if has_host {
            let host = self.host.as_deref().map_or("127.0.0.1".into(), plain);
            let port = self.port.unwrap_or(8080);
            return Ok(Some(vec![Listen::Tcp(host, port)]));
        }
        Ok(self.listen)
    }
}
