//! The addresses that are served, bound.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use euryale_server::{Listener, Tls, UnixSocket, supervise, systemd};
use tokio::net::{TcpListener, TcpSocket};

use crate::cli::effects::{self, Findings, Ways};
use crate::cli::error::StartError;
use crate::cli::listen::Listen;
use crate::cli::settings::Settings;
use crate::serve::live::Who;
use crate::serve::permits::Rules;
use crate::serve::{accounts, certificates};

/// The same number as Linux's default.
const BACKLOG: u32 = 4096;

/// The names by which a child recognizes sockets that its parent has bound as the settings say. In
/// any other process such a name means nothing, because systemd may give it to any socket.
const BOUND: &str = "listen";
const BOUND_WITH_TLS: &str = "listen-tls";

/// The names of sockets from systemd, in a child. Only the second one means something in a process
/// without a parent.
const INHERITED: &str = "socket";
const INHERITED_WITH_TLS: &str = "tls";

/// The name of the private socket on which a child answers its parent.
pub(crate) const OPERATORS: &str = "operators";

pub(crate) struct Listeners {
    pub(crate) public: Vec<Listener>,
    /// The names of these, for child processes.
    pub(crate) names: Vec<&'static str>,
    /// In a child, the socket on which it answers its parent.
    pub(crate) admin: Listener,
    pub(crate) agent: Option<TcpListener>,
    /// The certificates of listeners with TLS.
    pub(crate) tls: Option<Tls>,
    /// Those that must send a PROXY header.
    pub(crate) balancers: Who,
    /// Whether all are on loopback, and none is a Unix socket or was inherited.
    pub(crate) is_loopback_only: bool,
    pub(crate) ways: Ways,
    /// Settings without effect.
    pub(crate) findings: Findings,
    /// The addresses, for people.
    pub(crate) greeting: String,
}

impl Listeners {
    /// Sockets from systemd override `--listen`. Those that it names `tls` speak TLS.
    /// The child of a parent gets the public sockets and its own for operators from it.
    pub(crate) fn bind(settings: &Settings) -> Result<Self, StartError> {
        let tls = certificates::read(&settings.edge)?.map(Tls::new);
        let given = Given::take()?;
        let ways = given.ways(settings);
        let is_loopback_only = is_loopback_only(settings, ways);
        let rules = Rules::new(settings, is_loopback_only);
        let findings = effects::find(settings, ways, rules)?.first_error()?;
        let Given {
            public: given,
            operators,
            ..
        } = given;
        let public = public(settings, given, tls.as_ref())?;
        let is_child = operators.is_some();
        let admin = match operators {
            Some(listener) => listener,
            None => tcp(settings.admin, false)
                .map_err(|error| cannot(&error, settings.admin, "--admin"))?
                .into(),
        };
        // A parent serves it for all of its children.
        let agent = settings
            .agent
            .filter(|_| !is_child)
            .map(|address| tcp(address, false).map_err(|error| cannot(&error, address, "--agent")));
        let agent = agent.transpose()?;
        let urls: Vec<&str> = public.iter().map(|socket| socket.url.as_str()).collect();
        let greeting = greeting(&urls, &admin, agent.as_ref(), settings, rules);
        let balancers = Who::default();
        balancers.are(&settings.edge.proxy_protocol);
        let expect = |socket: Public| {
            let balancers = balancers.clone();
            let listener = socket.listener;
            let listener = listener.proxy_protocol(move |peer| balancers.have(peer));
            (socket.name, listener)
        };
        let (names, public) = public.into_iter().map(expect).unzip();
        Ok(Self {
            public,
            names,
            admin,
            agent,
            tls,
            balancers,
            is_loopback_only,
            ways,
            findings,
            greeting,
        })
    }
}

/// The sockets that this process got when it started, from systemd or from its parent.
struct Given {
    public: Vec<GivenSocket>,
    operators: Option<Listener>,
    /// Whether the parent has bound the public ones as the settings say.
    are_bound_by_parent: bool,
}

struct GivenSocket {
    listener: Listener,
    speaks_tls: bool,
}

impl Given {
    fn take() -> Result<Self, StartError> {
        let given = systemd::listeners().map_err(|error| {
            let what = format!("cannot use a socket from systemd: {error}");
            StartError::new(what, "this process", "see the unit's .socket")
        })?;
        let is_child = supervise::is_child();
        let mut operators = None;
        let mut public = Vec::new();
        let mut are_bound_by_parent = false;
        for (name, listener) in given {
            if is_child && name == OPERATORS {
                operators = Some(listener);
                continue;
            }
            let is_bound = is_child && (name == BOUND || name == BOUND_WITH_TLS);
            are_bound_by_parent |= is_bound;
            public.push(GivenSocket {
                listener,
                speaks_tls: name == INHERITED_WITH_TLS || (is_bound && name == BOUND_WITH_TLS),
            });
        }
        Ok(Self {
            public,
            operators,
            are_bound_by_parent,
        })
    }

    fn ways(&self, settings: &Settings) -> Ways {
        if self.public.is_empty() || self.are_bound_by_parent {
            return Ways::of(settings);
        }
        let any = |kind: fn(&GivenSocket) -> bool| self.public.iter().any(kind);
        Ways {
            // The address of a Unix socket is not known.
            tcp: any(|socket| socket.listener.local_addr().is_ok()),
            unix: any(|socket| socket.listener.local_addr().is_err()),
            tls: any(|socket| socket.speaks_tls),
            is_inherited: true,
        }
    }
}

/// A socket for clients.
struct Public {
    listener: Listener,
    /// Its name for child processes.
    name: &'static str,
    /// Its address, for people.
    url: String,
}

/// The sockets in `given`, or else those of `--listen`.
fn public(
    settings: &Settings,
    given: Vec<GivenSocket>,
    tls: Option<&Tls>,
) -> Result<Vec<Public>, StartError> {
    if given.is_empty() {
        let bind = |address| bind(address, settings, tls);
        return settings.listen.iter().map(bind).collect();
    }
    let take = |(number, socket): (usize, GivenSocket)| {
        let GivenSocket {
            listener,
            speaks_tls,
        } = socket;
        let address = listener.local_addr();
        let scheme = if speaks_tls { "https" } else { "http" };
        let url = address.map_or(format!("socket {number}"), |address| {
            format!("{scheme}://{address}/")
        });
        let (name, listener) = if speaks_tls {
            let tls = certified(tls, "FileDescriptorName=tls")?;
            (INHERITED_WITH_TLS, listener.tls(tls))
        } else {
            (INHERITED, listener)
        };
        Ok(Public {
            listener,
            name,
            url,
        })
    };
    (1..).zip(given).map(take).collect()
}

/// Binds an address of `--listen`.
fn bind(address: &Listen, settings: &Settings, tls: Option<&Tls>) -> Result<Public, StartError> {
    let (listener, url) = listen(address, settings, tls)?;
    let name = if matches!(address, Listen::Tls(_)) {
        BOUND_WITH_TLS
    } else {
        BOUND
    };
    Ok(Public {
        listener,
        name,
        url,
    })
}

/// Returns whether the site can only be reached from its own machine. The peers of a socket that
/// another program has bound are unknown.
pub(crate) fn is_loopback_only(settings: &Settings, ways: Ways) -> bool {
    let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    let places = settings.listen.iter().map(Listen::tcp);
    !ways.is_inherited
        && places
            .chain([Some(settings.admin)])
            .chain(settings.agent.map(Some))
            .all(|place| place.is_some_and(is_loopback))
}

/// The addresses and the permissions there, in one line for people.
fn greeting(
    urls: &[&str],
    admin: &Listener,
    agent: Option<&TcpListener>,
    settings: &Settings,
    rules: Rules,
) -> String {
    // Asking a bound socket for its address does not fail.
    let admin = admin
        .local_addr()
        .map(|address| format!("http://{address}/"))
        .unwrap_or_default();
    let agent = agent.and_then(|listener| listener.local_addr().ok());
    let agent = agent
        .map(|address| format!(", agent: {address}"))
        .unwrap_or_default();
    let urls = urls.join(" and ");
    let processes = settings
        .processes
        .map(|number| processes(number, settings.connections));
    let processes = processes
        .map(|text| format!(" - {text}"))
        .unwrap_or_default();
    format!(
        "Serving {urls} from {} - {rules}{processes} - operators: {admin}status{agent}\n",
        settings.storage.data.display()
    )
}

/// The totals of all processes.
pub(crate) fn processes(number: usize, connections: usize) -> String {
    let all = number * connections;
    format!("{number} processes with {connections} connections each, {all} in all")
}

fn listen(
    address: &Listen,
    settings: &Settings,
    tls: Option<&Tls>,
) -> Result<(Listener, String), StartError> {
    let edge = &settings.edge;
    let failed = |error: &io::Error| cannot(error, address, "--listen");
    match address {
        Listen::Tcp(at) => {
            let listener = tcp(*at, edge.reuse_port).map_err(|error| failed(&error))?;
            let name = listener
                .local_addr()
                .map(|address| format!("http://{address}/"));
            Ok((listener.into(), name.unwrap_or_default()))
        }
        Listen::Tls(at) => {
            let tls = certified(tls, address)?;
            let listener = tcp(*at, edge.reuse_port).map_err(|error| failed(&error))?;
            let name = listener
                .local_addr()
                .map(|address| format!("https://{address}/"));
            Ok((Listener::from(listener).tls(tls), name.unwrap_or_default()))
        }
        Listen::Unix(path) => {
            let owner = edge.unix_owner.as_deref().map(accounts::ids).transpose();
            let (user, group) = owner
                .map_err(|error| cannot(&error, address, "--unix-owner"))?
                .unwrap_or_default();
            let listener = UnixSocket::new(path)
                .mode(edge.unix_mode)
                .owner(user, group)
                .bind();
            listener
                .map(|listener| (listener, address.to_string()))
                .map_err(|error| failed(&error))
        }
    }
}

fn certified(tls: Option<&Tls>, whom: impl std::fmt::Display) -> Result<&Tls, StartError> {
    tls.ok_or_else(|| certificates::missing(whom))
}

fn tcp(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // Sockets of an ended process do not block the address.
    socket.set_reuseaddr(true)?;
    if reuse_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn cannot(error: &io::Error, address: impl std::fmt::Display, flag: &str) -> StartError {
    if error.kind() == ErrorKind::AddrInUse {
        let remedy = format!("end the program that uses it, or choose another one with {flag}");
        return StartError::new("the address is in use", address, remedy);
    }
    StartError::new(
        format!("cannot listen: {error}"),
        address,
        format!("choose another one with {flag}"),
    )
}
