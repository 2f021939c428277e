//! What the program can be told: each setting as a flag, as an `EURYALE_*` variable, and in a file.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand};
use euryale::BlockingThreads;
use euryale::forwarded::{AllowedHost, Field, HostTable, InvalidLine, TrustedProxy};
use euryale_server::BLOCKING_THREADS;
use serde::{Serialize, Serializer};

use crate::edge::Edge;
use crate::error::StartError;
use crate::feed::FeedHost;
use crate::listen::Listen;
use crate::log::Format;
use crate::permits::Permissions;
use crate::theme::{self, Choice};
use crate::{duration, scale, size};

/// Below the list of flags.
const MORE: &str = "A flag stands over its variable, that over the file, and that over the \
    default. The \
file is TOML, its keys\nare the flags' names; --print-config writes one. SIGHUP reads it anew. \
Logs go to \
standard error.";

/// Serves a small content site from SQLite through Euryale's stack.
#[derive(Clone, Debug, Parser, PartialEq, Eq, Serialize)]
#[command(name = "site", version, after_help = MORE)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Address and port to serve on, plain, with TLS as tls:ADDRESS, or unix:PATH; may be given
    /// several times
    #[arg(
        long,
        env = "EURYALE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<Listen>,

    /// Address and port for operators: /livez, /readyz, /metrics and /status
    #[arg(
        long,
        global = true,
        env = "EURYALE_ADMIN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8081"
    )]
    pub(crate) admin: SocketAddr,

    /// Address and port for HAProxy's agent checks: how much this process can take
    #[arg(long, env = "EURYALE_AGENT", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<SocketAddr>,

    /// Folder of the database and the files; made if it is not there, and filled with samples to
    /// serve
    #[arg(
        long,
        global = true,
        env = "EURYALE_DATA",
        value_name = "FOLDER",
        default_value = "./site-data"
    )]
    pub(crate) data: PathBuf,

    /// Database connections, and so publications at a time: 1 to 4096
    #[arg(
        long,
        env = "EURYALE_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = 2
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_CONNECTIONS as u64))]
    pub(crate) connections: usize,

    /// Requests that may wait for a connection, from 1; one more is answered 503 at once
    #[arg(
        long,
        env = "EURYALE_MAX_QUEUE",
        value_name = "NUMBER",
        default_value_t = 1024
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_queue: usize,

    /// How long a request may wait for a connection (ms, s, m, h); then it is answered 503
    #[arg(
        long,
        env = "EURYALE_MAX_WAIT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) max_wait: Duration,

    /// How long one publication may take in its worker (ms, s, m, h), an upload or an export ten
    /// times as long; then it is stopped and answered 504
    #[arg(
        long,
        env = "EURYALE_PUBLISH_DEADLINE",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse_positive)]
    #[serde(serialize_with = "as_text")]
    pub(crate) publish_deadline: Duration,

    /// How large an upload may be, in bytes, or with K, M, G or T
    #[arg(
        long,
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
        env = "EURYALE_BODY_MEMORY",
        value_name = "SIZE",
        default_value = "32M"
    )]
    #[arg(value_parser = size::parse)]
    #[serde(serialize_with = "as_size")]
    pub(crate) body_memory: u64,

    /// Disk for all request bodies together, in 1,024 files at most; beyond it they are answered
    /// 503
    #[arg(
        long,
        env = "EURYALE_BODY_DISK",
        value_name = "SIZE",
        default_value = "8G"
    )]
    #[arg(value_parser = size::parse)]
    #[serde(serialize_with = "as_size")]
    pub(crate) body_disk: u64,

    /// How long requests may take to finish after Ctrl-C or SIGTERM (ms, s, m, h); then they are
    /// cut
    #[arg(
        long,
        env = "EURYALE_DRAIN",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = duration::parse)]
    #[serde(serialize_with = "as_text")]
    pub(crate) drain: Duration,

    /// Proxy that is believed in X-Forwarded-* or Forwarded: an address, a network (10.0.0.0/8), or
    /// unix; several
    #[arg(
        long,
        env = "EURYALE_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub(crate) trusted_proxy: Vec<TrustedProxy>,

    /// Field that each trusted proxy sets or takes away, and that counts; several
    #[arg(
        long,
        env = "EURYALE_FORWARDED_FIELD",
        value_name = "FIELD",
        value_delimiter = ','
    )]
    #[arg(default_values_t = Field::X_FORWARDED)]
    #[serde(serialize_with = "as_texts")]
    pub(crate) forwarded_field: Vec<Field>,

    /// Proxy that writes /VirtualHostBase/…/VirtualHostRoot into every path, as for Zope; several
    #[arg(
        long,
        env = "EURYALE_VIRTUAL_HOST_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub(crate) virtual_host_proxy: Vec<TrustedProxy>,

    /// Folder that a host shows as the whole site: example.org/guides, or *.example.org/guides;
    /// several
    #[arg(
        long,
        env = "EURYALE_VIRTUAL_HOST",
        value_name = "HOST/PATH",
        value_delimiter = ','
    )]
    #[arg(value_parser = host_line)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) virtual_host: Vec<String>,

    /// Host that the site answers to: example.org, *.example.org with all below it, an address;
    /// several. Default: any
    #[arg(long, env = "EURYALE_HOST", value_name = "HOST", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub(crate) host: Vec<AllowedHost>,

    /// Leave files to trusted proxies that offer it (X-Sendfile-Type); for X-Accel-Redirect they
    /// are below this path
    #[arg(long, env = "EURYALE_OFFLOAD", value_name = "PATH", value_parser = offload_path)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offload: Option<String>,

    /// Host from which /@@feed fetches feeds, if its address is public, at the default port or at
    /// that of HOST:PORT; may be given several times
    #[arg(
        long,
        env = "EURYALE_FEED_HOST",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    #[arg(default_value = "blog.rust-lang.org")]
    pub(crate) feed_host: Vec<FeedHost>,

    /// Host from which feeds are fetched, whatever its address is, at the default port or at that
    /// of HOST:PORT; may be given several times
    #[arg(
        long,
        env = "EURYALE_PRIVATE_FEED_HOST",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) private_feed_host: Vec<FeedHost>,

    /// Feed of which the home page shows the newest, from one of these hosts
    #[arg(long, env = "EURYALE_NEWS", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) news: Option<String>,

    /// What pages look like: euryale, gazette, none, or a folder with a rules.xml as in Diazo
    #[arg(
        long,
        env = "EURYALE_THEME",
        value_name = "NAME|FOLDER",
        default_value = "euryale"
    )]
    #[serde(serialize_with = "as_display")]
    pub(crate) theme: Choice,

    /// What is logged: levels, also by part, for example info,site::access_log=off; default:
    /// RUST_LOG, or else info
    #[arg(long, global = true, env = "EURYALE_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_filter: Option<String>,

    /// What the log looks like
    #[arg(
        long,
        global = true,
        env = "EURYALE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub(crate) log: Format,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) permissions: Permissions,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) edge: Edge,

    /// File of settings, in TOML
    #[arg(long, global = true, env = "EURYALE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// Print the settings that result, as TOML, and exit
    #[arg(long, global = true)]
    #[serde(skip)]
    pub(crate) print_config: bool,

    #[command(subcommand)]
    #[serde(skip)]
    pub(crate) task: Option<Task>,
}

const MOST_CONNECTIONS: usize = 4096;

/// Exports that are sent at a time. Each may hold as many files open as [`export`](crate::export)
/// allows.
pub(crate) const EXPORTS: usize = 8;

/// What the program does in the place of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Task {
    /// Ask a running site whether it is ready, at its --admin address: exit code 0 or 1. For
    /// containers
    Healthcheck,
    /// Import a folder: Markdown and HTML become documents, all else files, at the same paths
    #[command(after_help = IMPORT)]
    Import {
        /// What is imported, with everything below it
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Below the flags of the import.
const IMPORT: &str = "\
FOLDER/a/b.bin becomes the file /a/b.bin, FOLDER/a/b.md (or .html, .htm; up to 1 MiB) the \
document /a/b,\n\
FOLDER/a/index.md the document /a itself. A folder without one is given a document with its \
name.\n\n\
What stands at the same path is REPLACED if it differs: documents by title, text and format, \
files by size\n\
and time of change (in seconds). What does not differ is skipped, so a second run goes on where \
the first\n\
ended. Nothing is deleted. A data folder that the import makes has no sample pages. A site may \
serve the\n\
folder meanwhile.\n\n\
Left out: names that begin with a dot (their number is said); and, each named with its reason, \
links\n\
(never followed), pipes, sockets and devices, names and texts that are not UTF-8, names that no \
address may\n\
have, files that cannot be read, and what another one stands in the way of.\n\n\
Ctrl-C or SIGTERM: what is complete stays, the rest is not there; a second one ends at once.\n\n\
Exit codes: 0 everything is imported, 1 it could not start or go on, 2 wrong flags, 3 a signal \
ended it,\n\
4 something was left out and named.";

impl Settings {
    /// What may block at a time.
    pub(crate) fn threads(&self) -> BlockingThreads {
        // As many as a reload may ask for. They are started when they are needed.
        let threads = BlockingThreads::new()
            .publishers(MOST_CONNECTIONS)
            .writers(EXPORTS);
        threads
            .cpu(theme::threads() + scale::AT_ONCE)
            .application(BLOCKING_THREADS + theme::READERS)
    }

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

/// Read here to be refused here; all of them are one table.
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

fn as_display<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_texts<T: Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(T::to_string))
}

pub(crate) fn as_text<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration::text(*duration))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn as_size<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&size::text(*bytes))
}
