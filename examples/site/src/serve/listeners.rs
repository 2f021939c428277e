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

/// The names of the sockets that a parent has bound as the settings say.
const OF_PARENT: [&str; 2] = ["listen", "listen-tls"];

/// The name of the private socket on which a child answers its parent.
pub(crate) const OPERATORS: &str = "operators";

pub(crate) struct Listeners {
    pub(crate) public: Vec<Listener>,
    /// The names of these, for child processes.
    pub(crate) names: Vec<String>,
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
        let mut public = Vec::new();
        let mut names = Vec::new();
        let mut given_names = Vec::new();
        let mut given = systemd::listeners().map_err(|error| {
            let what = format!("cannot use a socket from systemd: {error}");
            StartError::new(what, "this process", "see the unit's .socket")
        })?;
        let operators = if supervise::is_child() {
            let place = given.iter().position(|(name, _)| name == OPERATORS);
            place.map(|place| given.remove(place).1)
        } else {
            None
        };
        let is_of_parent = |(name, _): &(String, Listener)| OF_PARENT.contains(&&**name);
        let is_bound_by_parent = supervise::is_child() && given.iter().any(is_of_parent);
        let ways = if given.is_empty() || is_bound_by_parent {
            Ways::of(settings)
        } else {
            inherited(&given)
        };
        let is_loopback_only = is_loopback_only(settings, ways);
        let rules = Rules::new(settings, is_loopback_only);
        let findings = effects::find(settings, ways, rules)?.first_error()?;
        for ((name, listener), number) in given.into_iter().zip(1..) {
            let speaks = if name == "tls" || name == OF_PARENT[1] {
                Some(certified(tls.as_ref(), "FileDescriptorName=tls")?)
            } else {
                None
            };
            let scheme = if speaks.is_some() { "https" } else { "http" };
            let address = listener.local_addr();
            names.push(address.map_or(format!("socket {number}"), |address| {
                format!("{scheme}://{address}/")
            }));
            given_names.push(name);
            public.push(match speaks {
                Some(tls) => listener.tls(tls),
                None => listener,
            });
        }
        if public.is_empty() {
            for address in &settings.listen {
                let (listener, name) = listen(address, settings, tls.as_ref())?;
                let is_tls = matches!(address, Listen::Tls(_));
                given_names.push(OF_PARENT[usize::from(is_tls)].to_owned());
                public.push(listener);
                names.push(name);
            }
        }
        let balancers = Who::default();
        balancers.are(&settings.edge.proxy_protocol);
        let expect = |listener: Listener| {
            let balancers = balancers.clone();
            listener.proxy_protocol(move |peer| balancers.have(peer))
        };
        let public = public.into_iter().map(expect).collect();
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
        let greeting = greeting(&names, &admin, agent.as_ref(), settings, rules);
        Ok(Self {
            public,
            names: given_names,
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

fn inherited(given: &[(String, Listener)]) -> Ways {
    let any = |kind: fn(&(String, Listener)) -> bool| given.iter().any(kind);
    Ways {
        // The address of a Unix socket is not known.
        tcp: any(|(_, listener)| listener.local_addr().is_ok()),
        unix: any(|(_, listener)| listener.local_addr().is_err()),
        tls: any(|(name, _)| name == "tls"),
        is_inherited: true,
    }
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
    names: &[String],
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
    let names = names.join(" and ");
    let processes = settings
        .processes
        .map(|number| processes(number, settings.connections));
    let processes = processes
        .map(|text| format!(" - {text}"))
        .unwrap_or_default();
    format!(
        "Serving {names} from {} - {rules}{processes} - operators: {admin}status{agent}\n",
        settings.data.display()
    )
}

/// What all processes have together.
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
