//! The addresses that are served, bound.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;

use euryale_server::{Listener, Tls, UnixSocket, systemd};
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

pub(crate) struct Listeners {
    pub(crate) public: Vec<Listener>,
    pub(crate) admin: TcpListener,
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
    pub(crate) fn bind(settings: &Settings) -> Result<Self, StartError> {
        let tls = certificates::read(&settings.edge)?.map(Tls::new);
        let mut public = Vec::new();
        let mut names = Vec::new();
        let given = systemd::listeners().map_err(|error| {
            let what = format!("cannot use a socket from systemd: {error}");
            StartError::new(what, "this process", "see the unit's .socket")
        })?;
        let ways = if given.is_empty() {
            Ways::of(settings)
        } else {
            inherited(&given)
        };
        let is_loopback_only = is_loopback_only(settings, ways);
        let rules = Rules::new(settings, is_loopback_only);
        let findings = effects::find(settings, ways, rules)?.first_error()?;
        for ((name, listener), number) in given.into_iter().zip(1..) {
            let speaks = if name == "tls" {
                Some(certified(tls.as_ref(), "FileDescriptorName=tls")?)
            } else {
                None
            };
            let scheme = if speaks.is_some() { "https" } else { "http" };
            let address = listener.local_addr();
            names.push(address.map_or(format!("socket {number}"), |address| {
                format!("{scheme}://{address}/")
            }));
            public.push(match speaks {
                Some(tls) => listener.tls(tls),
                None => listener,
            });
        }
        if public.is_empty() {
            for address in &settings.listen {
                let (listener, name) = listen(address, settings, tls.as_ref())?;
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
        let admin = tcp(settings.admin, false)
            .map_err(|error| cannot(&error, settings.admin, "--admin"))?;
        let agent = settings
            .agent
            .map(|address| tcp(address, false).map_err(|error| cannot(&error, address, "--agent")));
        let agent = agent.transpose()?;
        let greeting = greeting(&names, &admin, agent.as_ref(), &settings.data, rules);
        Ok(Self {
            public,
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
    admin: &TcpListener,
    agent: Option<&TcpListener>,
    data: &Path,
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
    format!(
        "Serving {names} from {} - {rules} - operators: {admin}status{agent}\n",
        data.display()
    )
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
