//! The address of the database and the settings of connections, read in the same way as by libpq:
//! from a URL or `key=value` pairs, the environment, the password file, and libpq's defaults, in
//! this order.
//!
//! Only [`Environment`] reads files.

mod environment;
mod passfile;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use self::environment::Environment;
pub(crate) use self::passfile::Passwords;
pub(crate) use self::text::Parameters;
use crate::socket::Keepalives;

/// The folders in which Debian and PostgreSQL's own builds put the socket.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

const PORT: u16 = 5432;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) place: Place,
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The folder of a socket.
    Folder(PathBuf),
    /// A name or an address. If an address is given too, the name is only used for certificates and
    /// the password file.
    Name(String, Option<IpAddr>),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => write!(f, "{}/.s.PGSQL.{}", folder.display(), self.port),
            Place::Name(name, _) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// The required role of the server (`target_session_attrs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// How the connection is encrypted and the server identified (`sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) hosts: Vec<Host>,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) passwords: Passwords,
    pub(crate) database: String,
    pub(crate) application_name: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) keepalives: Keepalives,
    pub(crate) target: Target,
    pub(crate) ssl_mode: SslMode,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "of TLS"))]
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) has_pooler: bool,
}

/// A setting of the database is wrong, or not supported. The message is one line that names it, and
/// never contains a password.
#[derive(Debug)]
pub struct SettingsError(String);

impl SettingsError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database settings: {}", self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads `text`, and takes missing settings from `around`.
    pub(crate) fn read(text: &str, around: &Environment) -> Result<Self, SettingsError> {
        let mut given = Parameters::parse(text)?;
        around.complete(&mut given)?;
        let user = given
            .take("user")
            .or_else(|| around.user())
            .ok_or_else(|| SettingsError::new("no user: add user= or PGUSER"))?;
        let database = given.take("dbname").unwrap_or_else(|| user.clone());
        let password = given.take("password");
        let passwords = match &password {
            Some(_) => Passwords::default(),
            None => around.passwords(given.take("passfile")),
        };
        given.take("passfile");
        let ssl_mode = given.one_of("sslmode", SslMode::Prefer, &SSL_MODES)?;
        let settings = Self {
            hosts: hosts(&mut given, around)?,
            database,
            password,
            passwords,
            application_name: given
                .take("application_name")
                .or_else(|| given.take("fallback_application_name"))
                .unwrap_or_else(|| "euryale".into()),
            connect_timeout: connect_timeout(&mut given)?,
            keepalives: keepalives(&mut given)?,
            target: given.one_of("target_session_attrs", Target::Any, &TARGETS)?,
            ssl_mode,
            root_certificates: given
                .take("sslrootcert")
                .map(PathBuf::from)
                .or_else(|| around.root_certificates()),
            has_pooler: given.one_of("pooler", false, &[("transaction", true), ("none", false)])?,
            user,
        };
        given.take("fallback_application_name");
        given.finish()?;
        Ok(settings)
    }

    /// Returns the password for this host.
    pub(crate) fn password_for(&self, host: &Host) -> Option<&str> {
        let from_file = || self.passwords.find(host, &self.database, &self.user);
        self.password.as_deref().or_else(from_file)
    }

    /// Returns the name of the database without the password.
    pub(crate) fn name(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(Host::to_string).collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.database)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Settings").field(&self.name()).finish()
    }
}

const SSL_MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    // `allow` uses encryption only if the server insists, which `prefer` includes.
    ("allow", SslMode::Prefer),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

const TARGETS: [(&str, Target); 6] = [
    ("any", Target::Any),
    ("read-write", Target::ReadWrite),
    ("read-only", Target::ReadOnly),
    ("primary", Target::Primary),
    ("standby", Target::Standby),
    ("prefer-standby", Target::PreferStandby),
];

/// Reads the hosts. Names and addresses are lists; there is one port for all of them, or one for
/// each.
fn hosts(given: &mut Parameters, around: &Environment) -> Result<Vec<Host>, SettingsError> {
    let split = |text: Option<String>| -> Vec<String> {
        text.map(|text| text.split(',').map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let names = split(given.take("host"));
    let addresses = split(given.take("hostaddr"));
    let ports = split(given.take("port"));
    let count = names.len().max(addresses.len()).max(1);
    if !addresses.is_empty() && !names.is_empty() && addresses.len() != names.len() {
        return Err(SettingsError::new(
            "hostaddr and host must be lists of the same length",
        ));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(SettingsError::new(
            "port must have one value, or one for each host",
        ));
    }
    (0..count)
        .map(|index| {
            let port = match ports.get(index).or(ports.first()).map(String::as_str) {
                None | Some("") => PORT,
                Some(port) => number("port", port)?,
            };
            let address: Option<IpAddr> = match addresses.get(index).map(String::as_str) {
                None | Some("") => None,
                Some(address) => Some(address.parse().map_err(|_| {
                    SettingsError::new(format!("hostaddr: `{address}` is not an IP address"))
                })?),
            };
            let name = names.get(index).map_or("", String::as_str);
            let place = match (name, address) {
                ("", None) => around.default_place(&SOCKET_FOLDERS, port),
                ("", Some(address)) => Place::Name(address.to_string(), Some(address)),
                (folder, _) if folder.starts_with('/') => Place::Folder(folder.into()),
                (name, address) => Place::Name(name.to_owned(), address),
            };
            Ok(Host { place, port })
        })
        .collect()
}

/// Reads the limit. Unlike with libpq there is one by default, because a worker waits.
fn connect_timeout(given: &mut Parameters) -> Result<Duration, SettingsError> {
    let seconds = match given.take("connect_timeout") {
        None => 5,
        Some(text) => number::<i64>("connect_timeout", &text)?,
    };
    Ok(match u64::try_from(seconds) {
        // In this case, libpq waits forever.
        Err(_) | Ok(0) => Duration::from_secs(24 * 60 * 60),
        // As in libpq: one second is rounded up to two, because it may be over almost at once.
        Ok(seconds) => Duration::from_secs(seconds.max(2)),
    })
}

fn keepalives(given: &mut Parameters) -> Result<Keepalives, SettingsError> {
    // libpq's switch for all keepalive settings: without them, the system's own two hours apply.
    let are_on = given.one_of("keepalives", true, &[("1", true), ("0", false)])?;
    let mut seconds = |name, default| -> Result<Duration, SettingsError> {
        let value = match given.take(name) {
            Some(text) => number(name, &text)?,
            None => default,
        };
        Ok(Duration::from_secs(if value == 0 {
            default
        } else {
            value
        }))
    };
    let idle = seconds("keepalives_idle", 10)?;
    let interval = seconds("keepalives_interval", 5)?;
    let count = seconds("keepalives_count", 3)?.as_secs();
    let user_timeout = match given.take("tcp_user_timeout") {
        Some(text) => Duration::from_millis(number("tcp_user_timeout", &text)?),
        None => Duration::from_secs(25),
    };
    Ok(Keepalives {
        idle: if are_on {
            idle
        } else {
            Duration::from_secs(7200)
        },
        interval,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        user_timeout,
    })
}

fn number<N: FromStr>(name: &str, text: &str) -> Result<N, SettingsError> {
    text.trim()
        .parse()
        .map_err(|_| SettingsError::new(format!("{name}: `{text}` is not such a number")))
}
