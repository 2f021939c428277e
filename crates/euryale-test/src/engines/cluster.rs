//! The settings of a PostgreSQL server, and the ways to stop it.

use super::Postgres;

/// How a server is stopped (<https://www.postgresql.org/docs/15/server-shutdown.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Rolls back what is open, disconnects the clients, and writes everything to the disk.
    Fast,
    /// Ends every process at once; the next start recovers from the log.
    Immediate,
    /// Kills every process with a signal that cannot be caught.
    Kill,
}

/// The settings of a server that is to be started.
#[derive(Clone, Debug)]
#[must_use]
pub struct Setup {
    pub(super) settings: Vec<(String, String)>,
    pub(super) hba: Vec<String>,
    pub(super) port: u16,
}

impl Setup {
    /// A server with a socket in its folder and no TCP port, which trusts every client.
    pub fn new() -> Self {
        Self {
            settings: vec![("listen_addresses".into(), String::new())],
            hba: vec![
                "local all all trust".into(),
                "local replication all trust".into(),
            ],
            port: 5432,
        }
    }

    /// Sets a parameter of the server. The last value counts.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Also listens on a free port of 127.0.0.1. Its clients need a rule there: [`hba`](Self::hba).
    pub fn listen(mut self) -> Self {
        self.port = crate::free_port();
        self.setting("listen_addresses", "127.0.0.1")
    }

    /// Adds a line to `pg_hba.conf`; the first one that matches a client counts.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.into());
        self
    }

    /// Starts the server. `None`: it is not installed, and the test is skipped visibly.
    ///
    /// # Panics
    /// When it cannot be started, and when it is not installed with `CI` in the environment.
    #[must_use]
    pub fn start(self) -> Option<Postgres> {
        Postgres::start_with(self)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}
