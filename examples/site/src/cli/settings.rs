//! The settings of the program. Each can be set by a flag, by an `EURYALE_*` variable, and in a
//! file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Parser};
use euryale::forwarded::{AllowedHost, Field, HostTable, InvalidLine, TrustedProxy};
use serde::Serialize;

use crate::cli::edge::Edge;
use crate::cli::error::StartError;
use crate::cli::listen::{self, Listen};
use crate::cli::permissions::Permissions;
use crate::cli::serialize::{as_size, as_text, as_texts};
use crate::cli::storage::Storage;
use crate::cli::task::Task;
use crate::cli::{duration, help, size};
use crate::demo::feed::address::FeedHost;
use crate::pages::theme::settings::ThemeSettings;
use crate::serve::log::Format;

/// Serves a small content site from SQLite or PostgreSQL through Euryale's stack.
#[derive(Clone, Debug, Parser, PartialEq, Eq, Serialize)]
#[command(name = "site", version, after_help = help::MORE)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Address to serve on, may be given several times: 127.0.0.1:8080, localhost:8080, 8080 (on
    /// 127.0.0.1), :8080 (on all IPv4 addresses), tls: and one of these, or unix:PATH
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<Listen>,

    /// Address and port for operators: /livez, /readyz, /metrics and /status
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_ADMIN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8081",
        value_parser = listen::address
    )]
    pub(crate) admin: SocketAddr,

    /// Address and port for HAProxy's agent checks: how much this process can take
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_AGENT",
        value_name = "ADDRESS",
        value_parser = listen::address
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<SocketAddr>,

    /// Unix socket at which `site ctl` gives commands; only this user and root may use it
    #[arg(
        long,
        help_heading = help::ADDRESSES,
        env = "EURYALE_CONSOLE",
        value_name = "PATH"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) console: Option<PathBuf>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) storage: Storage,

    /// Database connections, and so publications at a time: 1 to 4096
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = 2
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_CONNECTIONS as u64))]
    pub(crate) connections: usize,

    /// Processes behind a parent that serves operators and replaces them one by one at SIGHUP, with
    /// the current program and settings; each has all --connections. Default: one process without a
    /// parent
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_PROCESSES",
        value_name = "NUMBER"
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) processes: Option<usize>,

    /// Requests that may wait for a connection, at least 1; further ones are answered 503 at once
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_MAX_QUEUE",
        value_name = "NUMBER",
        default_value_t = 1024
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_queue: usize,

    /// Time that a request may wait for a connection (ms, s, m, h); then it is answered 503
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_MAX_WAIT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) max_wait: Duration,

    /// Time that one publication may take in its worker (ms, s, m, h), and ten times as long for an
    /// upload or an export; then it is stopped and answered 504
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_PUBLISH_DEADLINE",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) publish_deadline: Duration,

    /// Maximum size of an upload, in bytes, or with K, M, G or T
    #[arg(
        long,
        help_heading = help::BODIES,
        env = "EURYALE_MAX_UPLOAD",
        value_name = "SIZE",
        default_value = "1G"
    )]
    #[arg(value_parser = size::parse)]
    #[serde(serialize_with = "as_size")]
    pub(crate) max_upload: u64,

    /// Memory for all request bodies and forms together; beyond it they go to files, or are
    /// answered 503
    #[arg(
        long,
        help_heading = help::BODIES,
        env = "EURYALE_BODY_MEMORY",
        value_name = "SIZE",
        default_value = "8M"
    )]
    #[arg(value_parser = size::parse)]
    #[serde(serialize_with = "as_size")]
    pub(crate) body_memory: u64,

    /// Disk for all request bodies together, in at most 512 files; beyond it they are answered
    /// 503
    #[arg(
        long,
        help_heading = help::BODIES,
        env = "EURYALE_BODY_DISK",
        value_name = "SIZE",
        default_value = "8G"
    )]
    #[arg(value_parser = size::parse)]
    #[serde(serialize_with = "as_size")]
    pub(crate) body_disk: u64,

    /// Arenas of the heap, which threads share; 0 leaves their number to the C library. More of
    /// them take more memory (glibc only)
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_HEAP_ARENAS",
        value_name = "NUMBER",
        default_value_t = 2
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(0..=1024))]
    pub(crate) heap_arenas: usize,

    /// Time that requests have to finish after Ctrl-C or SIGTERM (ms, s, m, h); then they are cut
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_DRAIN",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse)]
    #[serde(serialize_with = "as_text")]
    pub(crate) drain: Duration,

    /// Time for which idle sockets are still answered after SIGTERM, at most half of --drain (ms,
    /// s, m, h); 0s behind a proxy that has stopped sending requests by then
    #[arg(
        long,
        help_heading = help::WORKERS,
        env = "EURYALE_LAME_DUCK",
        value_name = "DURATION",
        default_value = "2s"
    )]
    #[arg(value_parser = duration::parse)]
    #[serde(serialize_with = "as_text")]
    pub(crate) lame_duck: Duration,

    /// Proxy whose X-Forwarded-* or Forwarded is trusted: an address, a network (10.0.0.0/8), or
    /// unix; may be given several times
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub(crate) trusted_proxy: Vec<TrustedProxy>,

    /// Field that is accepted, and that each trusted proxy must set or remove; may be given several
    /// times
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_FORWARDED_FIELD",
        value_name = "FIELD",
        value_delimiter = ','
    )]
    #[arg(default_values_t = Field::X_FORWARDED)]
    #[serde(serialize_with = "as_texts")]
    pub(crate) forwarded_field: Vec<Field>,

    /// Proxy that writes /VirtualHostBase/…/VirtualHostRoot into every path, as for Zope; may be
    /// given several times
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_VIRTUAL_HOST_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub(crate) virtual_host_proxy: Vec<TrustedProxy>,

    /// Folder that a host shows as the whole site: example.org/guides, or *.example.org/guides; may
    /// be given several times
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_VIRTUAL_HOST",
        value_name = "HOST/PATH",
        value_delimiter = ','
    )]
    #[arg(value_parser = host_line)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) virtual_host: Vec<String>,

    /// Host that the site answers: example.org, *.example.org with all below it, or an address; may
    /// be given several times. Default: any
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_HOST",
        value_name = "HOST",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub(crate) host: Vec<AllowedHost>,

    /// Leave files to trusted proxies that offer it (X-Sendfile-Type); for X-Accel-Redirect they
    /// are below this path
    #[arg(
        long,
        help_heading = help::PROXIES,
        env = "EURYALE_OFFLOAD",
        value_name = "PATH",
        value_parser = offload_path
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offload: Option<String>,

    /// Host from which /@@feed fetches feeds, if its address is public, at the default port or at
    /// that of HOST:PORT; may be given several times
    #[arg(
        long,
        help_heading = help::CONTENT,
        env = "EURYALE_FEED_HOST",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    #[arg(default_value = "blog.rust-lang.org")]
    pub(crate) feed_host: Vec<FeedHost>,

    /// Host from which feeds are fetched even if its address is not public, at the default port or
    /// at that of HOST:PORT; may be given several times
    #[arg(
        long,
        help_heading = help::CONTENT,
        env = "EURYALE_PRIVATE_FEED_HOST",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) private_feed_host: Vec<FeedHost>,

    /// Feed whose newest entries the home page shows, from one of these hosts
    #[arg(long, help_heading = help::CONTENT, env = "EURYALE_NEWS", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) news: Option<String>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) theme: ThemeSettings,

    /// Filter of the log: levels, also by module, for example info,site::access_log=off
    ///
    /// Default: RUST_LOG, or else info.
    #[arg(
        long,
        help_heading = help::LOG,
        global = true,
        env = "EURYALE_LOG",
        value_name = "FILTER"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_filter: Option<String>,

    /// Format of the log
    #[arg(
        long,
        help_heading = help::LOG,
        global = true,
        env = "EURYALE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub(crate) log_format: Format,

    /// File to append the log to, instead of standard error; SIGUSR2 reopens it
    #[arg(
        long,
        help_heading = help::LOG,
        global = true,
        env = "EURYALE_LOG_FILE",
        value_name = "FILE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_file: Option<PathBuf>,

    /// File to append a line for each request to, in the Combined Log Format, instead of the log;
    /// SIGUSR2 reopens it
    #[arg(
        long,
        help_heading = help::LOG,
        env = "EURYALE_ACCESS_LOG",
        value_name = "FILE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_log: Option<PathBuf>,

    /// Give each request an id, for its lines in the logs and as X-Request-Id; that of a trusted
    /// proxy is kept
    #[arg(
        long,
        help_heading = help::LOG,
        env = "EURYALE_REQUEST_ID",
        value_name = "BOOLEAN",
        default_value_t = false
    )]
    #[arg(
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    pub(crate) request_id: bool,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) permissions: Permissions,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) edge: Edge,

    /// File of settings, in TOML
    #[arg(
        long,
        help_heading = help::CONFIGURATION,
        global = true,
        env = "EURYALE_CONFIG",
        value_name = "FILE"
    )]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// Print the effective settings as TOML, and exit
    #[arg(long, help_heading = help::CONFIGURATION, global = true)]
    #[serde(skip)]
    pub(crate) print_config: bool,

    /// Check settings, theme, certificates and folders, change nothing, and exit: 0, or 1 with a
    /// line for each fault
    #[arg(long, help_heading = help::CONFIGURATION)]
    #[serde(skip)]
    pub(crate) check_config: bool,

    #[command(subcommand)]
    #[serde(skip)]
    pub(crate) task: Option<Task>,
}

/// The maximum number of connections, also after a reload.
pub(crate) const MOST_CONNECTIONS: usize = 4096;

/// Exports that are sent at a time. Each may hold as many files open as
/// [`export`](crate::pages::export) allows.
pub(crate) const EXPORTS: usize = 8;

/// Exports that wait until one of these ends. Each holds the texts and files that it will send.
pub(crate) const EXPORTS_WAITING: usize = 2;

impl Settings {
    /// The settings as TOML: keys are the names of the flags.
    pub(crate) fn to_toml(&self) -> Result<String, StartError> {
        Ok(self.to_table()?.to_string())
    }

    pub(crate) fn to_table(&self) -> Result<toml::Table, StartError> {
        toml::Table::try_from(self).map_err(|error| {
            StartError::new(
                "cannot print the settings",
                error,
                "name the data folder in UTF-8",
            )
        })
    }
}

/// Parsed here so that errors are reported here; all of them form one table.
fn host_line(text: &str) -> Result<String, InvalidLine> {
    text.parse::<HostTable>().map(|_| text.to_owned())
}

fn offload_path(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err("a path begins with a slash")
    }
}
