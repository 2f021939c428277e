//! A PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use super::launcher::{children_of, launch, runs, send_signal, wait_until};
use super::programs::{Programs, User, run};
use super::{Setup, Stop, folder};
use crate::skip;

/// The role that owns everything.
const USER: &str = "euryale";

/// A PostgreSQL server, which ends when this value is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    user: User,
    folder: PathBuf,
    setup: Setup,
    /// `None` while it is stopped.
    child: Option<Child>,
}

impl Postgres {
    /// Starts a server with a new, empty cluster: a socket in its folder, no TCP port, every client
    /// is trusted. Returns `None` if PostgreSQL is not installed; the test is then skipped visibly.
    ///
    /// # Panics
    /// When it cannot be started, and when it is not installed with `CI` in the environment.
    #[must_use]
    pub fn start() -> Option<Self> {
        Setup::new().start()
    }

    /// The server that all tests of a binary share. Each test should have its own
    /// [database](Self::create_database), and a test that stops the server needs its own server.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            Setup::new()
                .setting("max_connections", "200")
                .setting("fsync", "off")
                .start()
        });
        shared.as_ref()
    }

    pub(super) fn start_with(setup: Setup) -> Option<Self> {
        let Some(programs) = Programs::find() else {
            skip("PostgreSQL is not installed: apt-get install postgresql");
            return None;
        };
        let mut server = Self::in_new_folder(programs, setup);
        let mut initdb = server.user.command(&server.programs.path("initdb"));
        initdb
            .arg("-D")
            .arg(server.data())
            .args(["-U", USER, "--auth=trust", "--no-sync", "--no-locale"])
            .args(["-E", "UTF8"]);
        run(initdb);
        let hba = server.data().join("pg_hba.conf");
        std::fs::write(hba, server.setup.hba.join("\n") + "\n").expect("pg_hba.conf");
        server.launch();
        Some(server)
    }

    fn in_new_folder(programs: Programs, setup: Setup) -> Self {
        let user = User::find();
        Self {
            programs,
            user,
            folder: folder::create(user),
            setup,
            child: None,
        }
    }

    /// Starts a standby that follows this server.
    ///
    /// # Panics
    /// When it cannot be copied or started.
    #[must_use]
    pub fn replica(&self) -> Self {
        let setup = Setup {
            port: 5432,
            settings: vec![("listen_addresses".into(), String::new())],
            hba: Vec::new(),
        };
        let mut replica = Self::in_new_folder(self.programs.clone(), setup);
        let mut copy = self.user.command(&self.programs.path("pg_basebackup"));
        copy.args(["-U", USER, "-R", "-X", "stream", "-c", "fast", "--no-sync"])
            .arg("-h")
            .arg(&self.folder)
            .arg("-p")
            .arg(self.setup.port.to_string())
            .arg("-D")
            .arg(replica.data());
        run(copy);
        replica.launch();
        replica
    }

    /// Promotes a standby to a primary.
    ///
    /// # Panics
    /// When it is not a standby.
    pub fn promote(&self) {
        let mut promote = self.user.command(&self.programs.path("pg_ctl"));
        promote.arg("-D").arg(self.data()).args(["-w", "promote"]);
        run(promote);
    }

    /// Kills the server and each of its processes, so that none of them can write anything more.
    pub fn kill(&mut self) {
        self.stop(Stop::Kill);
    }

    /// Stops the server, and waits until it has ended. It can be started again.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self, stop: Stop) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let id = child.id();
        let children = children_of(id);
        match stop {
            Stop::Fast => send_signal(id, Signal::INT),
            Stop::Immediate => send_signal(id, Signal::QUIT),
            Stop::Kill => {
                // The parent is killed first, because it would start others.
                send_signal(id, Signal::KILL);
                for child in &children {
                    send_signal(*child, Signal::KILL);
                }
            }
        }
        let _ = child.wait();
        wait_until(
            || !children.iter().any(|child| runs(*child)),
            || "the processes of PostgreSQL end".into(),
        );
        if stop == Stop::Kill {
            // No process runs any more that it could name.
            let _ = std::fs::remove_file(self.data().join("postmaster.pid"));
        }
    }

    /// Starts a server that was stopped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        let log = self.log_path();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the server's log");
        // When this process ends, every process of the server ends at once.
        let mut server = self.user.server(&self.programs.path("postgres"), "QUIT");
        server
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .arg("-p")
            .arg(self.setup.port.to_string());
        for (name, value) in &self.setup.settings {
            server.arg("-c").arg(format!("{name}={value}"));
        }
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(launch(server).expect("setpriv"));
        let path = self.log_path();
        let log = || std::fs::read_to_string(&path).unwrap_or_default();
        wait_until(
            || {
                let child = self.child.as_mut().expect("it was started");
                let ended = child.try_wait().ok().flatten();
                assert!(ended.is_none(), "PostgreSQL ended: {}", log());
                self.is_ready()
            },
            || format!("PostgreSQL is ready: {}", log()),
        );
    }

    /// Stops the server and starts it again.
    ///
    /// # Panics
    /// When it does not end, or does not start.
    pub fn restart(&mut self, stop: Stop) {
        self.stop(stop);
        self.launch();
    }

    /// Detected in the same way as by `pg_ctl`.
    fn is_ready(&self) -> bool {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"));
        let file = file.unwrap_or_default();
        let id = file.lines().next().and_then(|id| id.trim().parse().ok());
        let is_ours = id.is_some() && id == self.child.as_ref().map(Child::id);
        let status = file.lines().nth(7).map(str::trim);
        is_ours && matches!(status, Some("ready" | "standby"))
    }

    /// Creates an empty database, and returns its name.
    ///
    /// # Panics
    /// When the server refuses.
    #[must_use]
    pub fn create_database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Runs `sql` with `psql`, in a connection of its own, and returns what it prints: a line for
    /// each row, with `|` between columns.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.user.command(&self.programs.path("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", USER, "-d", database, "-c", sql])
            .arg("-h")
            .arg(&self.folder)
            .arg("-p")
            .arg(self.setup.port.to_string());
        run(psql)
    }

    /// The URL of `database` on this server's socket, as libpq reads it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        let port = self.setup.port;
        format!("postgres://{USER}@{folder}:{port}/{database}")
    }

    /// The number of the server's process; `None` while it is stopped.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The folder with the socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port, which is also a part of the socket's name.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// The folder with the cluster.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Gives a file to the user that runs the server.
    ///
    /// # Panics
    /// When it cannot.
    pub fn own(&self, path: &Path) {
        self.user.own(path).expect("the owner of a file");
    }

    /// Returns everything that the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
        folder::remove(&self.folder);
    }
}
