//! Limits for peers: the settings of the server.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Args};
use euryale_server::Server;
use serde::{Serialize, Serializer};

use crate::cli::listen::Balancers;
use crate::cli::serialize::{as_size, as_text};
use crate::cli::{duration, help, size};

/// The default of `--max-sockets`, and of `--max-files`: lowered where there are fewer descriptors.
pub(crate) const DEFAULT_SOCKETS: usize = 20_000;
pub(crate) const DEFAULT_FILES: usize = 20_000;

#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = help::PEERS)]
pub(crate) struct Edge {
    /// Certificates for tls: addresses, and for sockets that systemd names tls, in PEM, the site's
    /// own first; SIGHUP reads them again
    #[arg(long, help_heading = help::ADDRESSES, env = "EURYALE_TLS_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Their private key, in PEM
    #[arg(long, help_heading = help::ADDRESSES, env = "EURYALE_TLS_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Mode of unix: sockets as files, which decides who may connect
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_UNIX_MODE",
        value_name = "MODE",
        default_value = "660"
    )]
    #[arg(value_parser = mode)]
    #[serde(serialize_with = "as_octal")]
    pub(crate) unix_mode: u32,

    /// Owner of unix: sockets: USER, USER:GROUP or :GROUP, by name or number; default: the site's
    /// user
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_UNIX_OWNER",
        value_name = "USER:GROUP",
        value_parser = owner
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unix_owner: Option<String>,

    /// Let other processes listen on the same addresses (SO_REUSEPORT)
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_REUSE_PORT",
        value_name = "BOOLEAN",
        default_value_t = false
    )]
    #[arg(
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    pub(crate) reuse_port: bool,

    /// Balancers that must send a PROXY header: a network, an address or unix; may be given several
    /// times
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_PROXY_PROTOCOL",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) proxy_protocol: Vec<Balancers>,

    /// Close a peer whose request head takes longer than this
    #[arg(
        long,
        env = "EURYALE_HEAD_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) head_timeout: Duration,

    /// Close a peer whose request body stalls for longer than this
    #[arg(
        long,
        env = "EURYALE_BODY_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) body_timeout: Duration,

    /// Close a peer that reads nothing for this long
    #[arg(
        long,
        env = "EURYALE_WRITE_TIMEOUT",
        value_name = "DURATION",
        default_value = "60s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) write_timeout: Duration,

    /// Close a socket without a request for this long; behind a proxy, longer than the proxy's own
    /// time-out
    #[arg(
        long,
        env = "EURYALE_IDLE_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) idle_timeout: Duration,

    /// Close a peer whose TLS handshake or PROXY header takes longer than this
    #[arg(
        long,
        env = "EURYALE_HANDSHAKE_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) handshake_timeout: Duration,

    /// Maximum size of a request's head, at least 8K; a larger one is answered 431, and a target of
    /// more than half of it 414
    #[arg(
        long,
        env = "EURYALE_MAX_HEAD",
        value_name = "SIZE",
        default_value = "64K"
    )]
    #[arg(value_parser = head_size)]
    #[serde(serialize_with = "as_size")]
    pub(crate) max_head: u64,

    /// Maximum number of fields in a request's head; more are answered 431
    #[arg(
        long,
        env = "EURYALE_MAX_HEADERS",
        value_name = "NUMBER",
        default_value_t = 100
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub(crate) max_headers: usize,

    /// Sockets that may be open; more wait. The default is lowered to fit the limit of open files
    #[arg(
        long,
        env = "EURYALE_MAX_SOCKETS",
        value_name = "NUMBER",
        default_value_t = DEFAULT_SOCKETS
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000))]
    pub(crate) max_sockets: usize,

    /// Sockets that one address may have open; 0 means no limit
    #[arg(
        long,
        env = "EURYALE_MAX_SOCKETS_PER_PEER",
        value_name = "NUMBER",
        default_value_t = 0
    )]
    pub(crate) max_sockets_per_peer: usize,

    /// Files that requests may have open, uploads and downloads together; one more is answered 503.
    /// The default is lowered to fit the limit of open files
    #[arg(
        long,
        env = "EURYALE_MAX_FILES",
        value_name = "NUMBER",
        default_value_t = DEFAULT_FILES
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000))]
    pub(crate) max_files: usize,

    /// Requests that one HTTP/2 peer may have open
    #[arg(
        long,
        env = "EURYALE_MAX_STREAMS",
        value_name = "NUMBER",
        default_value_t = 100
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max_streams: u32,

    /// Running requests that one HTTP/2 peer may cancel in ten seconds
    #[arg(
        long,
        env = "EURYALE_MAX_RESETS",
        value_name = "NUMBER",
        default_value_t = 200
    )]
    pub(crate) max_resets: u32,

    /// Frames without content that one HTTP/2 peer may send in ten seconds, beyond those that its
    /// requests and responses need
    #[arg(
        long,
        env = "EURYALE_MAX_CONTROL_FRAMES",
        value_name = "NUMBER",
        default_value_t = 10_000
    )]
    pub(crate) max_control_frames: u32,

    /// Answer clients that have closed their half of the socket; disconnects are then not noticed
    #[arg(
        long,
        env = "EURYALE_HALF_CLOSE",
        value_name = "BOOLEAN",
        default_value_t = false
    )]
    #[arg(
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    pub(crate) half_close: bool,
}

impl Edge {
    /// The number of sockets that one balancer may have open.
    pub(crate) fn sockets_of_a_balancer(&self) -> usize {
        match self.max_sockets_per_peer {
            0 => self.max_sockets,
            most => most.min(self.max_sockets),
        }
    }

    pub(crate) fn server(&self) -> Server {
        // The value was checked when it was read.
        let head = usize::try_from(self.max_head).unwrap_or(usize::MAX);
        Server::new()
            .head_timeout(self.head_timeout)
            .body_timeout(self.body_timeout)
            .write_timeout(self.write_timeout)
            .idle_timeout(self.idle_timeout)
            .handshake_timeout(self.handshake_timeout)
            .max_header_size(head)
            .max_headers(self.max_headers)
            .max_sockets(self.max_sockets)
            .max_sockets_per_peer(self.max_sockets_per_peer)
            .max_concurrent_streams(self.max_streams)
            .max_resets(self.max_resets)
            .max_control_frames(self.max_control_frames)
            .half_close(self.half_close)
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "write three digits from 0 to 7, for example 660".to_owned())
}

fn owner(text: &str) -> Result<String, &'static str> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let says_nothing = user.is_empty() && group.is_empty();
    if says_nothing || group.contains(':') {
        return Err("write a user, a colon and a group, for example :www-data");
    }
    Ok(text.to_owned())
}

fn head_size(text: &str) -> Result<u64, String> {
    let bytes = size::parse(text)?;
    if (8 << 10..=16 << 20).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("must be from 8K to 16M".to_owned())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_octal<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:o}"))
}
