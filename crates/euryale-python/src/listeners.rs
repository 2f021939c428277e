//! The sockets of a server.

use std::fmt::Display;
use std::io;
use std::net;

use euryale_server::{Listener, UnixSocket};
use euryale_wsgi::{Listen, Settings};
use tokio::net::TcpListener;

/// All sockets, bound, and where.
pub(crate) struct Listeners {
    pub(crate) public: Vec<Listener>,
    pub(crate) admin: Option<TcpListener>,
    pub(crate) agent: Option<TcpListener>,
    /// The addresses of the public ones, as people write them.
    pub(crate) addresses: Vec<String>,
    /// `SERVER_NAME` and `SERVER_PORT` of the first one.
    pub(crate) first: (String, u16),
}

impl Listeners {
    /// Binds all of them, on the runtime that is entered.
    pub(crate) fn bind(settings: &Settings) -> io::Result<Self> {
        let mut listeners = Self {
            public: Vec::new(),
            admin: None,
            agent: None,
            addresses: Vec::new(),
            first: ("localhost".into(), 80),
        };
        for (number, place) in settings.listen.iter().enumerate() {
            let listener = match place {
                Listen::Tcp(host, port) => {
                    let listener = tcp(host, *port)?;
                    let address = listener.local_addr()?;
                    listeners.addresses.push(format!("http://{address}"));
                    if number == 0 {
                        listeners.first = (host.clone(), address.port());
                    }
                    Listener::from(listener)
                }
                Listen::Unix(path) => {
                    let socket = UnixSocket::new(path).mode(settings.unix_socket_perms);
                    listeners.addresses.push(place.to_string());
                    socket
                        .bind()
                        .map_err(|error| cannot_listen(place, &error))?
                }
            };
            listeners.public.push(listener);
        }
        listeners.admin = operators(settings.admin.as_ref())?;
        listeners.agent = operators(settings.agent.as_ref())?;
        Ok(listeners)
    }
}

fn operators(place: Option<&Listen>) -> io::Result<Option<TcpListener>> {
    match place {
        None => Ok(None),
        Some(Listen::Tcp(host, port)) => tcp(host, *port).map(Some),
        Some(unix @ Listen::Unix(_)) => {
            let error = io::Error::other("operators need an address and a port");
            Err(cannot_listen(unix, &error))
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
