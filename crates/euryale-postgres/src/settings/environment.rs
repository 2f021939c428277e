//! The environment of a program, as libpq uses them: variables, the user's name, files in the home
//! folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Parameters, Passwords, Place, SettingsError};

/// libpq's variables (<https://www.postgresql.org/docs/15/libpq-envars.html>).
const VARIABLES: [(&str, &str); 13] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
];

/// Variables that would change a session's behaviour, and are not supported.
const REFUSED: [&str; 4] = ["PGOPTIONS", "PGSERVICE", "PGSSLCERT", "PGSSLKEY"];

/// The environment of a program. It may hold a password, so it has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    user: Option<String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn here() -> Self {
        let names = VARIABLES.iter().map(|(name, _)| *name).chain(REFUSED);
        let variables = names
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        Self {
            variables,
            user: user_name(),
            home: std::env::home_dir(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)], user: &str, home: &Path) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            user: Some(user.to_owned()),
            home: Some(home.to_owned()),
        }
    }

    /// Sets the parameters that are not set.
    pub(crate) fn complete(&self, given: &mut Parameters) -> Result<(), SettingsError> {
        for name in REFUSED {
            if self
                .variables
                .get(name)
                .is_some_and(|value| !value.is_empty())
            {
                let what = format!("the variable {name} is not supported; unset it");
                return Err(SettingsError::new(what));
            }
        }
        for (variable, name) in VARIABLES {
            given.complete(name, || self.variables.get(variable).cloned());
        }
        Ok(())
    }

    pub(crate) fn user(&self) -> Option<String> {
        self.user.clone()
    }

    /// Reads `file`, or else the user's password file.
    pub(crate) fn passwords(&self, file: Option<String>) -> Passwords {
        let default = || self.home.as_ref().map(|home| home.join(".pgpass"));
        match file.map(PathBuf::from).or_else(default) {
            Some(file) => Passwords::read(&file),
            None => Passwords::default(),
        }
    }

    /// Returns the path of the certificates that the user trusts for databases.
    pub(crate) fn root_certificates(&self) -> Option<PathBuf> {
        let file = self.home.as_ref()?.join(".postgresql/root.crt");
        file.exists().then_some(file)
    }

    /// Returns the first folder with a server's socket, or else this machine's address.
    pub(crate) fn default_place(&self, folders: &[&str], port: u16) -> Place {
        let has_socket = |folder: &&&str| {
            let socket = Path::new(folder).join(format!(".s.PGSQL.{port}"));
            socket.exists()
        };
        match folders.iter().find(has_socket) {
            Some(folder) => Place::Folder(folder.into()),
            None => Place::Name("localhost".into(), None),
        }
    }
}

/// Returns the name of the user that runs this process.
fn user_name() -> Option<String> {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    found.or_else(|| std::env::var("USER").ok())
}
