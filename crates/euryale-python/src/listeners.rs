//! The sockets of a server.

use std::fmt::Display;
use std::io;
use std::net;

use euryale::forwarded::TrustedProxies;
use euryale_server::{Listener, Tls, UnixSocket, systemd};
use euryale_wsgi::{Listen, Settings};
use tokio::net::TcpListener;

use crate::certificates;

/// The name of inherited sockets of systemd that speak TLS (`FileDescriptorName=tls`).
const TLS: &str = "tls";

/// All sockets, already bound, and their addresses.
pub(crate) struct Listeners {
    pub(crate) public: Vec<Listener>,
    pub(crate) admin: Option<TcpListener>,
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
    /// the addresses of the settings.
    pub(crate) fn bind(settings: &Settings, inherits: bool) -> io::Result<Self> {
        let tls = certificates::read(settings).map_err(io::Error::other)?;
        let tls = tls.map(Tls::new);
        let given = match inherits {
            true => systemd::listeners()
                .map_err(|error| io::Error::other(format!("a socket of systemd's: {error}")))?,
            false => Vec::new(),
        };
        let balancers = balancers(settings)?;
        let mut bound = Bound::default();
        if given.is_empty() {
            for place in &settings.listen {
                bound.listen(place, settings, tls.as_ref())?;
            }
        }
        for (name, listener) in given {
            bound.inherit(&name, listener, tls.as_ref())?;
        }
        let expect = |listener: Listener| match &balancers {
            Some(balancers) => {
                let balancers = balancers.clone();
                listener.proxy_protocol(move |peer| balancers.contain(peer))
            }
            None => listener,
        };
        Ok(Self {
            public: bound.public.into_iter().map(expect).collect(),
            admin: operators(settings.admin.as_ref())?,
            agent: operators(settings.agent.as_ref())?,
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

/// Binds the public sockets, one by one.
#[derive(Default)]
struct Bound {
    public: Vec<Listener>,
    addresses: Vec<String>,
    host: Option<String>,
    port: Option<u16>,
    tls_port: Option<u16>,
}

impl Bound {
    fn listen(&mut self, place: &Listen, settings: &Settings, tls: Option<&Tls>) -> io::Result<()> {
        match place {
            Listen::Tcp(host, port) => {
                let listener = tcp(host, *port)?.into();
                self.add(listener, Some(host), None)
            }
            Listen::Tls(host, port) => {
                let tls = certified(tls, &place.to_string())?;
                let listener = tcp(host, *port)?.into();
                self.add(listener, Some(host), Some(tls))
            }
            Listen::Unix(path) => {
                let socket = UnixSocket::new(path).mode(settings.unix_socket_perms);
                let listener = socket.bind();
                let listener = listener.map_err(|error| cannot_listen(place, &error))?;
                self.addresses.push(place.to_string());
                self.public.push(listener);
                Ok(())
            }
        }
    }

    fn inherit(&mut self, name: &str, listener: Listener, tls: Option<&Tls>) -> io::Result<()> {
        let tls = match name {
            TLS => Some(certified(tls, "FileDescriptorName=tls")?),
            _ => None,
        };
        if listener.local_addr().is_ok() {
            return self.add(listener, None, tls);
        }
        self.addresses.push("a Unix socket of systemd's".to_owned());
        self.public.push(match tls {
            Some(tls) => listener.tls(tls),
            None => listener,
        });
        Ok(())
    }

    /// Adds a TCP socket.
    fn add(&mut self, listener: Listener, host: Option<&str>, tls: Option<&Tls>) -> io::Result<()> {
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        self.addresses.push(format!("{scheme}://{address}"));
        let host = host.map_or_else(|| address.ip().to_string(), str::to_owned);
        self.host.get_or_insert(host);
        let port = match tls {
            Some(_) => &mut self.tls_port,
            None => &mut self.port,
        };
        port.get_or_insert(address.port());
        self.public.push(match tls {
            Some(tls) => listener.tls(tls),
            None => listener,
        });
        Ok(())
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
