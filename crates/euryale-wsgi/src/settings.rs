//! The settings of a WSGI server, under the site's names and waitress's.

mod folder;
mod listen;
mod meaning;
mod parse;
mod setting;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use self::folder::Mount;
pub use self::listen::Listen;
use self::meaning::Meaning;
pub use self::setting::Setting;
use crate::Limits;

/// The settings of a server, each with its default.
///
/// They arrive as text under the names of [`Settings::KEYS`]: as keys of an ini or TOML file, as
/// flags, as variables of the environment, or as arguments in Python.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The sockets that serve the application. Default: TCP 127.0.0.1:8080.
    pub listen: Vec<Listen>,
    /// The mode of Unix sockets. Default: 0600.
    pub unix_socket_perms: u32,
    /// The certificates of TLS listeners in PEM, the server's own first. Default: none.
    pub tls_cert: Option<PathBuf>,
    /// Their private key in PEM. Default: none.
    pub tls_key: Option<PathBuf>,
    /// The address of the operators' listener: health, metrics, status. Default: none.
    pub admin: Option<Listen>,
    /// The address of HAProxy's agent checks. Default: none.
    pub agent: Option<Listen>,
    /// The path of the Unix socket for commands. Default: none.
    pub console: Option<PathBuf>,
    /// The number of processes behind a parent, 1 to 256. Default: none, which is one process
    /// without a parent.
    pub processes: Option<usize>,
    /// The number of worker threads of each process, 1 to 4096. Default: 4.
    pub threads: usize,
    /// The number of threads for sockets, HTTP and TLS in each process, 1 to 256. Default: none,
    /// which is half of the machine's cores, at least 1.
    pub runtime_threads: Option<usize>,
    /// Whether workers take turns in computing, and so do not contend for the GIL. Default: yes.
    pub gil_turns: bool,
    /// How long the interpreter may run no Python code: beyond it the server is not ready, and
    /// systemd's watchdog is not fed. Default: 10 s.
    pub gil_timeout: Duration,
    /// The maximum number of threads for promises, deferred answers and calls after a commit, 1 to
    /// 4096, which are started on demand. Default: 128.
    pub lane_threads: usize,
    /// The maximum number of threads for streams, 1 to 4096, which are started on demand. Default:
    /// 128.
    pub stream_threads: usize,
    /// How long a deferred answer, or the first block of a stream, may take, with its wait for a
    /// thread. Default: 60 s.
    pub lane_timeout: Duration,
    /// How long a call of the application should take: beyond it its stack is logged, and the
    /// server is not ready while every worker runs such a call. Nothing stops the call. Default:
    /// 60 s.
    pub call_timeout: Duration,
    /// Whether an answer leaves with the first block of its iterable, unless that is a list.
    /// Default: no, so that an exception at any time becomes an error page.
    pub early_answers: bool,
    /// How often a request is published again after a conflict, at most; 0 for never. Default: 3,
    /// as in Zope.
    pub conflict_retries: u32,
    /// The number of requests that may wait for a worker, from 1. Default: 1024.
    pub max_queue: usize,
    /// The maximum time that a request waits for a worker. Default: 60 s.
    pub max_wait: Duration,
    /// The maximum time for requests to finish once the server drains. Default: 30 s.
    pub drain: Duration,
    /// The maximum size of a request's body, in bytes. Default: 1 GiB.
    pub max_request_body_size: u64,
    /// The maximum size of an answer that is not a file, in bytes. Default: half of
    /// `response_disk`, so that an endless answer leaves room for others, but at least 1 MiB, which
    /// fits in memory.
    pub max_response_body_size: Option<u64>,
    /// The maximum memory of all answers that clients have not read yet, in bytes. Default: 64 MiB.
    pub response_memory: u64,
    /// The maximum disk space of all answers that are not files and that clients have not read yet,
    /// in bytes. Default: 8 GiB.
    pub response_disk: u64,
    /// The maximum size of a request's head, in bytes. Default: 64 KiB.
    pub max_request_header_size: usize,
    /// The maximum number of open sockets. Default: 16,384.
    pub max_sockets: usize,
    /// The maximum time for which an idle socket is kept open. Default: 120 s, as in waitress,
    /// which is longer than a proxy keeps it.
    pub channel_timeout: Duration,
    /// The balancers that must send a PROXY header: addresses, networks, or `unix`. Default: none.
    pub proxy_protocol: Option<String>,
    /// The proxies whose forwarded fields are trusted: addresses and networks, `unix`, or `*`.
    /// Default: none.
    pub trusted_proxy: Option<String>,
    /// The maximum number of trusted proxies between a client and this server, 1 to 32. Default: 1
    /// if `trusted_proxy` is `*`; otherwise there is no limit.
    pub trusted_proxy_count: Option<usize>,
    /// The fields that trusted proxies set, with waitress's names or their own. Default:
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub trusted_proxy_headers: Vec<String>,
    /// The path below which the application is mounted: empty, or like `/app`. Default: empty.
    pub url_prefix: String,
    /// The folders whose files are sent without a call of the application, each with the path of
    /// its URLs. Default: none.
    pub statics: Vec<Mount>,
    /// The folders whose files an application may name in `X-Accel-Redirect`, by the path, or in
    /// `X-Sendfile`, by the folder. Default: none.
    pub sendfile: Vec<Mount>,
    /// The folders whose files a trusted proxy sends if it asks for that, each with the internal
    /// path of the proxy. Default: none.
    pub offload: Vec<Mount>,
    /// Whether an application may choose the themes of its pages, which are themed when their
    /// worker is free. Default: no.
    pub themes: bool,
    /// The folder of a Diazo theme for all pages, and the path of its files. Default: none.
    pub theme: Option<Mount>,
    /// The paths below which the pages of an application may have tiles. Default: none, so that no
    /// page has tiles.
    pub tiles: Vec<String>,
    /// Whether texts are compressed for clients that accept it. Default: no.
    pub compress: bool,
    /// The field in which trusted proxies name the user, for `REMOTE_USER`. Default: none.
    pub remote_user_header: Option<String>,
    /// Whether error pages have the traceback. Default: no.
    pub debug: bool,
    /// Whether the application is started again when its code changes. Default: no.
    pub reload: bool,
    /// The folder for profiles of calls. Default: none.
    pub profile: Option<PathBuf>,
    /// `wsgi.url_scheme`, unless a trusted proxy or TLS determines it: `http` or `https`.
    pub url_scheme: String,
    /// `SERVER_NAME`. Default: the host of the first listener.
    pub server_name: Option<String>,
    /// The field `Server` of answers that do not set it. Default: it is not sent.
    pub ident: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp("127.0.0.1".into(), 8080)],
            unix_socket_perms: 0o600,
            tls_cert: None,
            tls_key: None,
            admin: None,
            agent: None,
            console: None,
            processes: None,
            threads: 4,
            runtime_threads: None,
            gil_turns: true,
            gil_timeout: Duration::from_secs(10),
            lane_threads: 128,
            stream_threads: 128,
            lane_timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(60),
            early_answers: false,
            conflict_retries: 3,
            max_queue: 1024,
            max_wait: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            max_request_body_size: 1 << 30,
            max_response_body_size: None,
            response_memory: 64 << 20,
            response_disk: 8 << 30,
            max_request_header_size: 64 << 10,
            max_sockets: 16_384,
            channel_timeout: Duration::from_secs(120),
            proxy_protocol: None,
            trusted_proxy: None,
            trusted_proxy_count: None,
            trusted_proxy_headers: Vec::new(),
            url_prefix: String::new(),
            statics: Vec::new(),
            sendfile: Vec::new(),
            offload: Vec::new(),
            themes: false,
            theme: None,
            tiles: Vec::new(),
            compress: false,
            remote_user_header: None,
            debug: false,
            reload: false,
            profile: None,
            url_scheme: "http".into(),
            server_name: None,
            ident: None,
        }
    }
}

impl Settings {
    /// All names, with their meanings.
    pub const KEYS: &'static [Setting] = table::KEYS;

    /// The maximum size of an answer that is not a file, in bytes.
    #[must_use]
    pub fn longest_response_body(&self) -> u64 {
        let in_memory = Limits::default().memory as u64;
        self.max_response_body_size
            .unwrap_or((self.response_disk / 2).max(in_memory))
    }

    /// The number of processes behind a parent, or `None` for one process without a parent. A
    /// parent is also needed to replace a process whose code has changed.
    #[must_use]
    pub fn processes_behind_a_parent(&self) -> Option<usize> {
        self.processes.or(self.reload.then_some(1))
    }

    /// Reads settings from pairs of name and text. `-` and `_` are equivalent in names.
    ///
    /// # Errors
    /// The first [`SettingError`]: an unknown name, a value that cannot be read, or `listen`
    /// together with `host`, `port` or `unix_socket`.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingError> {
        let mut settings = Self::default();
        let mut place = listen::Place::default();
        for (name, value) in pairs {
            let key = name.replace('-', "_");
            let Some(setting) = Self::KEYS.iter().find(|setting| setting.is_called(&key)) else {
                return Err(SettingError::unknown(name));
            };
            let value = value.trim();
            settings
                .set(setting.meaning, &mut place, value)
                .map_err(|what| SettingError::value(name, value, &what))?;
        }
        if let Some(listen) = place.finish().map_err(|what| SettingError { what })? {
            settings.listen = listen;
        }
        Ok(settings)
    }

    fn set(
        &mut self,
        meaning: Meaning,
        place: &mut listen::Place,
        value: &str,
    ) -> Result<(), String> {
        match meaning {
            Meaning::Listen => place.listen(value)?,
            Meaning::Host => place.host = Some(value.into()),
            Meaning::Port => place.port = Some(parse::number(value, 0, 65_535)?),
            Meaning::UnixSocket => place.unix = Some(value.into()),
            Meaning::UnixSocketPerms => self.unix_socket_perms = parse::octal(value)?,
            Meaning::TlsCert => self.tls_cert = parse::text(value).map(PathBuf::from),
            Meaning::TlsKey => self.tls_key = parse::text(value).map(PathBuf::from),
            Meaning::Admin => self.admin = Some(value.parse()?),
            Meaning::Agent => self.agent = Some(value.parse()?),
            Meaning::Console => self.console = parse::text(value).map(PathBuf::from),
            Meaning::Processes => self.processes = Some(parse::number(value, 1, 256)?),
            Meaning::Threads => self.threads = parse::number(value, 1, 4096)?,
            Meaning::GilTurns => self.gil_turns = parse::switch(value)?,
            Meaning::GilTimeout => self.gil_timeout = parse::duration(value)?,
            Meaning::RuntimeThreads => {
                self.runtime_threads = Some(parse::number(value, 1, 256)?);
            }
            Meaning::LaneThreads => self.lane_threads = parse::number(value, 1, 4096)?,
            Meaning::StreamThreads => self.stream_threads = parse::number(value, 1, 4096)?,
            Meaning::LaneTimeout => self.lane_timeout = parse::duration(value)?,
            Meaning::CallTimeout => self.call_timeout = parse::duration(value)?,
            Meaning::EarlyAnswers => self.early_answers = parse::switch(value)?,
            Meaning::ConflictRetries => self.conflict_retries = parse::number(value, 0, 32)?,
            Meaning::MaxQueue => self.max_queue = parse::number(value, 1, 1 << 20)?,
            Meaning::MaxWait => self.max_wait = parse::duration(value)?,
            Meaning::Drain => self.drain = parse::duration(value)?,
            Meaning::MaxRequestBodySize => self.max_request_body_size = parse::size(value)?,
            Meaning::MaxResponseBodySize => {
                self.max_response_body_size = Some(parse::size(value)?);
            }
            Meaning::ResponseMemory => self.response_memory = parse::size(value)?,
            Meaning::ResponseDisk => self.response_disk = parse::size(value)?,
            Meaning::MaxRequestHeaderSize => {
                let size = parse::size(value)?;
                self.max_request_header_size =
                    usize::try_from(size).map_err(|_| "larger than any head".to_owned())?;
            }
            Meaning::MaxSockets => self.max_sockets = parse::number(value, 1, 1 << 20)?,
            Meaning::ChannelTimeout => self.channel_timeout = parse::duration(value)?,
            Meaning::ProxyProtocol => self.proxy_protocol = parse::text(value),
            Meaning::TrustedProxy => self.trusted_proxy = parse::text(value),
            Meaning::TrustedProxyCount => {
                self.trusted_proxy_count = Some(parse::number(value, 1, 32)?);
            }
            Meaning::TrustedProxyHeaders => {
                self.trusted_proxy_headers = parse::words(value).map(str::to_owned).collect();
            }
            Meaning::UrlPrefix => self.url_prefix = parse::prefix(value),
            Meaning::Static => self.statics = folder::public(value)?,
            Meaning::Sendfile => self.sendfile = folder::mounts(value)?,
            Meaning::Offload => self.offload = folder::mounts(value)?,
            Meaning::Themes => self.themes = parse::switch(value)?,
            Meaning::Theme => self.theme = Some(folder::one(value)?),
            Meaning::Tiles => self.tiles = folder::paths(value)?,
            Meaning::Compress => self.compress = parse::switch(value)?,
            Meaning::RemoteUserHeader => self.remote_user_header = parse::text(value),
            Meaning::Debug => self.debug = parse::switch(value)?,
            Meaning::Reload => self.reload = parse::switch(value)?,
            // The child that reports its files to the watcher reads the names.
            Meaning::ReloadExtraFile => {}
            Meaning::Profile => self.profile = parse::text(value).map(PathBuf::from),
            Meaning::UrlScheme => self.url_scheme = parse::scheme(value)?,
            Meaning::ServerName => self.server_name = parse::text(value),
            Meaning::Ident => self.ident = parse::text(value),
            Meaning::Always(needed) => parse::always(value, needed)?,
            Meaning::Unused => {}
        }
        Ok(())
    }
}

/// A setting that cannot be used. The message is one line that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    what: String,
}

impl SettingError {
    fn unknown(name: &str) -> Self {
        Self {
            what: format!("unknown setting {name:?}: see `euryale --help` for all names"),
        }
    }

    fn value(name: &str, value: &str, what: &str) -> Self {
        Self {
            what: format!("{name} = {value:?}: {what}"),
        }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for SettingError {}
