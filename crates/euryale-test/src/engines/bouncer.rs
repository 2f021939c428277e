//! PgBouncer in front of a PostgreSQL server.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::launcher::{launch, wait_until};
use super::programs::{User, in_path};
use super::{Postgres, folder};
use crate::skip;

/// The port, as a part of the socket's name.
const PORT: u16 = 6432;

/// A PgBouncer in transaction mode, with a socket in its folder. It ends when this value is
/// dropped.
#[derive(Debug)]
pub struct PgBouncer {
    folder: PathBuf,
    child: Child,
}

impl PgBouncer {
    /// Starts PgBouncer, which uses at most `servers` connections to each database of `postgres`.
    /// `None`: it is not installed, and the test is skipped visibly.
    ///
    /// # Panics
    /// When it cannot be started, and when it is not installed with `CI` in the environment.
    #[must_use]
    pub fn start(postgres: &Postgres, servers: usize) -> Option<Self> {
        let Some(program) = in_path("pgbouncer") else {
            skip("PgBouncer is not installed: apt-get install pgbouncer");
            return None;
        };
        let user = User::find();
        let folder = folder::create(user);
        let settings = folder.join("pgbouncer.ini");
        // With `auth_type = any` every client is the user of the database's line.
        let text = format!(
            "[databases]\n\
             * = user=euryale host={server} port={port}\n\
             [pgbouncer]\n\
             unix_socket_dir = {folder}\n\
             unix_socket_mode = 0777\n\
             listen_port = {PORT}\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = {servers}\n\
             max_client_conn = 500\n\
             logfile = {folder}/log\n",
            server = postgres.folder().display(),
            port = postgres.port(),
            folder = folder.display(),
        );
        std::fs::write(&settings, text).expect("PgBouncer's settings");
        let mut command = user.server(&program, "KILL");
        command
            .arg("-q")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = launch(command).expect("setpriv");
        let mut bouncer = Self { folder, child };
        let socket = bouncer.folder.join(format!(".s.PGSQL.{PORT}"));
        let log = bouncer.folder.join("log");
        wait_until(
            || {
                let ended = bouncer.child.try_wait().ok().flatten();
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                assert!(ended.is_none(), "PgBouncer ended: {log}");
                UnixStream::connect(&socket).is_ok()
            },
            || "PgBouncer accepts connections".into(),
        );
        Some(bouncer)
    }

    /// The URL of `database` through this PgBouncer, as libpq reads it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://euryale@{folder}:{PORT}/{database}")
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        folder::remove(&self.folder);
    }
}
