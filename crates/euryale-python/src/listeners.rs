//! The sockets of a server.

use std::fmt::Display;
use std::io;
use std::net;

use euryale::forwarded::TrustedProxies;
use euryale_server::{Listener, Tls, UnixSocket, supervise, systemd};
use euryale_wsgi::{Listen, Settings};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio::net::TcpListener;

use crate::certificates;

/// The name of inherited sockets of systemd that speak TLS (`FileDescriptorName=tls`), and the name
/// of the others in a child.
const TLS: &str = "tls";
const PLAIN: &str = "socket";

/// Begins the name of a socket that a parent has bound as its settings say. The rest is the address
/// as it is written there, because a child may read other settings after a change.
const BOUND: &str = "listen-";

/// The name of the private socket on which a child answers its parent.
pub(crate) const OPERATORS: &str = "operators";

/// All sockets, already bound, and their addresses.
pub(crate) struct Listeners {
    pub(crate) public: Vec<Listener>,
    /// The names of these, for child processes.
    pub(crate) names: Vec<String>,
    /// In a child, the socket on which it answers its parent.
    pub(crate) admin: Option<Listener>,
    pub(crate) agent: Option<TcpListener>,
    /// The certificates for listeners with TLS.
    pub(crate) tls: Option<Tls>,
    /// The addresses of the public listeners, as text.
    pub(crate) addresses: Vec<String>,
    pub(crate) named: Named,
}

/// The values of `SERVER_NAME` and `SERVER_PORT`, unless settings or proxies override them.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) host: String,
    /// The port of the first listener without TLS.
    pub(crate) port: u16,
    /// The port of the first listener with TLS.
    pub(crate) tls_port: u16,
}

impl Listeners {
    /// Binds all listeners, on the current runtime. With `inherits`, sockets from systemd replace
    /// the addresses of the settings, and a child takes its sockets from its parent.
    pub(crate) fn bind(settings: &Settings, inherits: bool) -> io::Result<Self> {
        let tls = certificates::read(settings).map_err(io::Error::other)?;
        let tls = tls.map(Tls::new);
        let is_child = inherits && supervise::is_child();
        let given = match inherits {
            true => systemd::listeners()
                .map_err(|error| io::Error::other(format!("a socket of systemd's: {error}")))?,
            false => Vec::new(),
        };
        let balancers = balancers(settings)?;
        let mut bound = Bound::default();
        if given.is_empty() {
            for place in &settings.listen {
                let listener = bind(place, settings)?;
                bound.add(&Origin::Settings(place.clone()), listener, tls.as_ref())?;
            }
        }
        let mut operators_of_child = None;
        for (name, listener) in given {
            if is_child && name == OPERATORS {
                operators_of_child = Some(listener);
            } else {
                bound.add(&Origin::of(&name, is_child), listener, tls.as_ref())?;
            }
        }
        let (admin, agent) = match is_child {
            // The parent has these addresses.
            true => (operators_of_child, None),
            false => (
                operators(settings.admin.as_ref())?.map(Listener::from),
                operators(settings.agent.as_ref())?,
            ),
        };
        let expect = |listener: Listener| match &balancers {
            Some(balancers) => {
                let balancers = balancers.clone();
                listener.proxy_protocol(move |peer| balancers.contain(peer))
            }
            None => listener,
        };
        Ok(Self {
            public: bound.public.into_iter().map(expect).collect(),
            names: bound.names,
            admin,
            agent,
            tls,
            addresses: bound.addresses,
            named: Named {
                host: bound.host.unwrap_or_else(|| "localhost".into()),
                port: bound.port.unwrap_or(80),
                tls_port: bound.tls_port.unwrap_or(443),
            },
        })
    }
}

/// The source of a socket.
enum Origin {
    /// The settings, of this process or of its parent.
    Settings(Listen),
    Systemd {
        speaks_tls: bool,
    },
}

impl Origin {
    /// Returns the origin of an inherited socket with this name.
    fn of(name: &str, is_child: bool) -> Self {
        let bound = name.strip_prefix(BOUND).filter(|_| is_child);
        let place =
            bound.and_then(|place| percent_decode_str(place).decode_utf8().ok()?.parse().ok());
        place.map_or(
            Self::Systemd {
                speaks_tls: name == TLS,
            },
            Self::Settings,
        )
    }

    /// Returns the name of the socket for child processes.
    fn name(&self) -> String {
        match self {
            Self::Settings(place) => {
                let place = place.to_string();
                format!("{BOUND}{}", utf8_percent_encode(&place, NON_ALPHANUMERIC))
            }
            Self::Systemd { speaks_tls: true } => TLS.to_owned(),
            Self::Systemd { speaks_tls: false } => PLAIN.to_owned(),
        }
    }

    /// Returns what needs certificates, if the socket speaks TLS.
    fn tls(&self) -> Option<String> {
        match self {
            Self::Settings(place @ Listen::Tls(..)) => Some(place.to_string()),
            Self::Systemd { speaks_tls: true } => Some("FileDescriptorName=tls".to_owned()),
            _ => None,
        }
    }

    /// Returns the host as it is written in the settings.
    fn host(&self) -> Option<&str> {
        match self {
            Self::Settings(Listen::Tcp(host, _) | Listen::Tls(host, _)) => Some(host),
            _ => None,
        }
    }
}

/// The public sockets.
#[derive(Default)]
struct Bound {
    public: Vec<Listener>,
    names: Vec<String>,
    addresses: Vec<String>,
    host: Option<String>,
    port: Option<u16>,
    tls_port: Option<u16>,
}

impl Bound {
    fn add(&mut self, origin: &Origin, listener: Listener, tls: Option<&Tls>) -> io::Result<()> {
        let tls = match origin.tls() {
            Some(place) => Some(certified(tls, &place)?),
            None => None,
        };
        let address = match listener.local_addr() {
            Ok(address) => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                let host = origin.host().map(str::to_owned);
                self.host
                    .get_or_insert_with(|| host.unwrap_or_else(|| address.ip().to_string()));
                let port = match tls {
                    Some(_) => &mut self.tls_port,
                    None => &mut self.port,
                };
                port.get_or_insert(address.port());
                format!("{scheme}://{address}")
            }
            // It has a path in place of an address.
            Err(_) => match origin {
                Origin::Settings(place) => place.to_string(),
                Origin::Systemd { .. } => "a Unix socket of systemd's".to_owned(),
            },
        };
        self.addresses.push(address);
        self.names.push(origin.name());
        self.public.push(match tls {
            Some(tls) => listener.tls(tls),
            None => listener,
        });
        Ok(())
    }
}

/// Binds an address of the settings.
fn bind(place: &Listen, settings: &Settings) -> io::Result<Listener> {
    match place {
        Listen::Tcp(host, port) | Listen::Tls(host, port) => Ok(tcp(host, *port)?.into()),
        Listen::Unix(path) => {
            let socket = UnixSocket::new(path).mode(settings.unix_socket_perms);
            socket.bind().map_err(|error| cannot_listen(place, &error))
        }
    }
}

fn certified<'t>(tls: Option<&'t Tls>, place: &str) -> io::Result<&'t Tls> {
    let missing = || format!("{place} needs certificates: set tls_cert and tls_key");
    tls.ok_or_else(|| io::Error::other(missing()))
}

/// Returns the peers that must send a header of the PROXY protocol.
fn balancers(settings: &Settings) -> io::Result<Option<TrustedProxies>> {
    let Some(named) = &settings.proxy_protocol else {
        return Ok(None);
    };
    let words = named.split(|character: char| character == ',' || character.is_whitespace());
    let parsed = words.filter(|word| !word.is_empty()).map(str::parse);
    let balancers: Result<TrustedProxies, _> = parsed.collect();
    balancers
        .map(Some)
        .map_err(|error| io::Error::other(format!("proxy_protocol: {error}")))
}

fn operators(place: Option<&Listen>) -> io::Result<Option<TcpListener>> {
    match place {
        None => Ok(None),
        Some(Listen::Tcp(host, port)) => tcp(host, *port).map(Some),
        Some(other) => {
            let error = io::Error::other("operators need an address and a port, without TLS");
            Err(cannot_listen(other, &error))
        }
    }
}

fn tcp(host: &str, port: u16) -> io::Result<TcpListener> {
    let place = Listen::Tcp(host.into(), port);
    let bound = net::TcpListener::bind((host, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.map_err(|error| cannot_listen(&place, &error))
}

fn cannot_listen(place: &Listen, error: &dyn Display) -> io::Error {
    io::Error::other(format!(
        "cannot listen on {place}: {error}; choose another address, or stop what has it"
    ))
}
