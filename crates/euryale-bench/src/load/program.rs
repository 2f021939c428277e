//! Clients that are programs of others: wrk, h2load and curl.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::figures::Figures;
use super::h2load::Amount;
use super::{curl, h2load, wrk};
use crate::peers::Server;
use crate::scene::{PAGE, Wire, blob_name};

/// A program, and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Program {
    /// `wrk`: one thread, and keep-alive connections that request the same again and again.
    Wrk {
        connections: u32,
        seconds: u32,
        asks: Asks,
    },
    /// `h2load`: the same for `/` over HTTP/2.
    Pages { connections: u32, seconds: u32 },
    /// `h2load`: downloads of the blob of this length, one at a time on each connection.
    Files {
        requests: u64,
        connections: u32,
        length: u64,
    },
    /// `curl`: downloads of the blob of this length through TLS, one after the other over one
    /// connection. (Without TLS, curl 7.88 cannot use a connection of HTTP/2 again.)
    Curl {
        requests: u64,
        length: u64,
        http2: bool,
    },
}

/// What wrk requests.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asks {
    /// `/`.
    Page,
    /// `/`, with the headers of a proxy in front.
    Proxied,
    /// The blob of this length.
    Blob(u64),
}

impl Program {
    /// The description for people.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Wrk {
                connections,
                seconds,
                asks,
            } => {
                let arguments = wrk::arguments(*connections, *seconds).join(" ");
                let what = match asks {
                    Asks::Page => String::new(),
                    Asks::Proxied => ", with the headers of a proxy".to_owned(),
                    Asks::Blob(length) => format!(", for {length} bytes"),
                };
                format!("`wrk {arguments}`{what}")
            }
            Self::Pages {
                connections,
                seconds,
            } => {
                let amount = Amount::Seconds(*seconds);
                format!(
                    "`h2load {}`",
                    h2load::arguments(*connections, &amount).join(" ")
                )
            }
            Self::Files {
                requests,
                connections,
                length,
            } => {
                let amount = Amount::Requests(*requests);
                let arguments = h2load::arguments(*connections, &amount).join(" ");
                format!("`h2load {arguments}`, for {length} bytes")
            }
            Self::Curl {
                requests,
                length,
                http2,
            } => format!(
                "{requests} downloads of {length} bytes, one after the other: {}",
                curl::arguments(*http2)
            ),
        }
    }

    /// The length of the blob that it requests.
    pub(super) fn blob(&self) -> Option<u64> {
        match *self {
            Self::Wrk {
                asks: Asks::Blob(length),
                ..
            }
            | Self::Files { length, .. }
            | Self::Curl { length, .. } => Some(length),
            Self::Wrk { .. } | Self::Pages { .. } => None,
        }
    }

    /// The name of the program.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Wrk { .. } => "wrk",
            Self::Pages { .. } | Self::Files { .. } => "h2load",
            Self::Curl { .. } => "curl",
        }
    }

    pub(super) fn run(&self, server: &Server) -> Result<Figures> {
        let path = match self.blob() {
            Some(length) => format!("/{}", blob_name(length)),
            None => "/".to_owned(),
        };
        match *self {
            Self::Wrk {
                connections,
                seconds,
                asks,
            } => {
                let url = server.url(&path);
                let is_proxied = matches!(asks, Asks::Proxied);
                wrk::run(&url, connections, seconds, is_proxied)
            }
            Self::Pages {
                connections,
                seconds,
            } => {
                let length = PAGE.len() as u64;
                h2load::run(
                    server,
                    &path,
                    length,
                    connections,
                    &Amount::Seconds(seconds),
                )
            }
            Self::Files {
                requests,
                connections,
                length,
            } => {
                let amount = Amount::Requests(requests);
                h2load::run(server, &path, length, connections, &amount)
            }
            Self::Curl {
                requests,
                length,
                http2,
            } => curl::run(server, &path, length, requests, http2),
        }
    }
}

/// The programs that a run needs: the client, and curl to check answers that are not HTTP/1.1.
pub(super) fn needed(client: Option<&Program>, wire: Wire) -> impl Iterator<Item = &'static str> {
    let checks = (wire != Wire::Http1).then_some("curl");
    client.map(Program::name).into_iter().chain(checks)
}
