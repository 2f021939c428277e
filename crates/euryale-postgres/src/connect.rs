//! Opens connections to the first server that answers and has the right role.

use std::error::Error as StdError;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::transaction::Interrupt;
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

use crate::Postgres;
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::Error;
use crate::open_error::{OpenError, Problem};
use crate::settings::{Host, Place, Target};
use crate::socket::{Address, Socket};
use crate::wire::{Wire, block_on};

/// The reason why a server is not used.
enum Reason {
    Io(io::Error),
    Client(tokio_postgres::Error),
    Silent,
    Role(&'static str),
}

impl Postgres {
    /// Opens a connection to the first server in the list that accepts it and has the wanted role.
    pub(crate) fn open_connection(&self) -> Result<Connection, OpenError> {
        let (first, second) = match self.settings.target {
            Target::PreferStandby => (Target::Standby, Some(Target::Any)),
            target => (target, None),
        };
        let mut reasons = Vec::new();
        let mut source = None;
        for target in std::iter::once(first).chain(second) {
            reasons.clear();
            for host in &self.settings.hosts {
                let reason = match self.connect_to_host(host, target) {
                    Ok(connection) => return Ok(connection),
                    Err(reason) => reason,
                };
                reasons.push(format!("{host}: {}", self.advice(&reason)));
                source = match reason {
                    Reason::Io(error) => Some(error.into()),
                    Reason::Client(error) => Some(error.into()),
                    Reason::Silent | Reason::Role(_) => source,
                };
            }
        }
        Err(OpenError {
            name: self.name(),
            problem: Problem::Refused(reasons, source),
        })
    }

    pub(crate) fn refused(&self, error: Error) -> OpenError {
        OpenError {
            name: self.name(),
            problem: Problem::Refused(vec![error.to_string()], Some(error.into())),
        }
    }

    fn connect_to_host(&self, host: &Host, target: Target) -> Result<Connection, Reason> {
        let mut last = Reason::Silent;
        for address in addresses(host).map_err(Reason::Io)? {
            match self.connect_to(host, &address, target) {
                Ok(connection) => return Ok(connection),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    fn connect_to(
        &self,
        host: &Host,
        address: &Address,
        target: Target,
    ) -> Result<Connection, Reason> {
        let settings = &self.settings;
        let until = Instant::now() + settings.connect_timeout;
        let connected = Socket::connect(address, settings.connect_timeout, settings.keepalives);
        let (socket, watch) = connected.map_err(Reason::Io)?;
        let (handshake, ssl_mode) = self.tls.handshake(host);
        let mut config = Config::new();
        config
            .user(&settings.user)
            .dbname(&settings.database)
            .application_name(&settings.application_name)
            .ssl_mode(ssl_mode);
        if let Some(password) = settings.password_for(host) {
            config.password(password);
        }
        let (client, connection) = block_on(&watch, until, config.connect_raw(socket, handshake))
            .ok_or(Reason::Silent)?
            .map_err(Reason::Client)?;
        let cancel = Cancel::new(client.cancel_token(), address.clone(), host.clone(), self);
        let cancel = Arc::new(cancel);
        let stop = Arc::clone(&cancel);
        let interrupt = Interrupt::call(move || stop.send());
        let wire = Wire::new(connection, watch, interrupt.clone(), cancel);
        let mut connection = Connection::new(client, wire, self, interrupt);
        self.book.opened.add(1);
        check_role(&mut connection, target)?;
        Ok(connection)
    }

    /// Returns a text that says what is wrong and what to do.
    fn advice(&self, reason: &Reason) -> String {
        match reason {
            Reason::Io(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "no server listens there; start it, or correct host and port".to_owned()
                }
                io::ErrorKind::TimedOut => silence(self.settings.connect_timeout),
                io::ErrorKind::PermissionDenied => {
                    "this user may not use the socket; check its permissions".to_owned()
                }
                _ => format!("cannot be reached ({error}); correct the host"),
            },
            Reason::Silent => silence(self.settings.connect_timeout),
            Reason::Role(wanted) => {
                format!(
                    "is not {wanted}, as target_session_attrs wants; name the other servers, too"
                )
            }
            Reason::Client(error) => self.advice_for(error),
        }
    }

    fn advice_for(&self, error: &tokio_postgres::Error) -> String {
        let user = &self.settings.user;
        let database = &self.settings.database;
        let Some(answer) = error.as_db_error() else {
            return without_answer(error);
        };
        let code = answer.code();
        if *code == SqlState::INVALID_PASSWORD {
            format!("the password of {user} is wrong; correct PGPASSWORD, .pgpass or the URL")
        } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            let message = answer.message();
            format!("{user} is refused ({message}); create the role, or allow it in pg_hba.conf")
        } else if *code == SqlState::INVALID_CATALOG_NAME {
            format!("there is no database {database}; run createdb {database}, or correct the name")
        } else if *code == SqlState::CANNOT_CONNECT_NOW {
            "is starting up or recovering; wait for it".to_owned()
        } else if *code == SqlState::TOO_MANY_CONNECTIONS {
            "has no connection left; raise max_connections, or lower the caps".to_owned()
        } else {
            format!("{} ({})", answer.message(), code.code())
        }
    }
}

/// The text for an error that the server has not sent.
fn without_answer(error: &tokio_postgres::Error) -> String {
    let Some(source) = error.source() else {
        return error.to_string();
    };
    if let Some(advice) = source.downcast_ref().and_then(crate::tls::advice) {
        return advice.to_owned();
    }
    let text = format!("{error}: {source}");
    if text.contains("server does not support TLS") {
        return "does not encrypt, as sslmode demands; turn on ssl in its settings".to_owned();
    }
    text
}

fn silence(timeout: Duration) -> String {
    let seconds = timeout.as_secs();
    format!("does not answer within {seconds} s; check the network, or raise connect_timeout")
}

fn addresses(host: &Host) -> io::Result<Vec<Address>> {
    match &host.place {
        Place::Folder(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{}", host.port));
            Ok(vec![Address::Unix(socket)])
        }
        Place::Name(_, Some(address)) => Ok(vec![Address::Tcp((*address, host.port).into())]),
        Place::Name(name, None) => {
            let found = (name.as_str(), host.port).to_socket_addrs()?;
            Ok(found.map(Address::Tcp).collect())
        }
    }
}

/// Checks the role of the server. Servers since PostgreSQL 14 report it when a client connects;
/// older ones are queried.
fn check_role(connection: &mut Connection, target: Target) -> Result<(), Reason> {
    let wanted = match target {
        Target::Any | Target::PreferStandby => return Ok(()),
        Target::ReadWrite => "read-write",
        Target::ReadOnly => "read-only",
        Target::Primary => "a primary",
        Target::Standby => "a standby",
    };
    let reported = |connection: &Connection, name: &str| Some(connection.parameter(name)? == "on");
    let is_standby = reported(connection, "in_hot_standby");
    let is_read_only = reported(connection, "default_transaction_read_only");
    let (is_standby, is_read_only) = match (is_standby, is_read_only) {
        (Some(is_standby), Some(is_read_only)) => (is_standby, is_standby || is_read_only),
        _ => ask_role(connection).map_err(|_| Reason::Role(wanted))?,
    };
    let fits = match target {
        Target::Any | Target::PreferStandby => true,
        Target::ReadWrite => !is_read_only,
        Target::ReadOnly => is_read_only,
        Target::Primary => !is_standby,
        Target::Standby => is_standby,
    };
    if fits {
        Ok(())
    } else {
        Err(Reason::Role(wanted))
    }
}

fn ask_role(connection: &mut Connection) -> Result<(bool, bool), Error> {
    let is_standby = connection.ask("SELECT pg_is_in_recovery()")?;
    let is_read_only = connection.ask("SELECT current_setting('transaction_read_only') = 'on'")?;
    Ok((is_standby, is_read_only))
}
