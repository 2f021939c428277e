//! The servers' programs, and the user that runs them.

use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of one PostgreSQL, as Debian installs them: the newest version wins.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    pub(super) fn find() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
        let newest = versions
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let version: u32 = entry.file_name().to_str()?.parse().ok()?;
                let folder = entry.path().join("bin");
                folder
                    .join("postgres")
                    .exists()
                    .then_some((version, folder))
            })
            .max_by_key(|(version, _)| *version);
        let folder = match newest {
            Some((_, folder)) => folder,
            None => in_path("postgres")?.parent()?.to_owned(),
        };
        Some(Self { folder })
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// Finds a program in `PATH`, or in Debian's folders for administrators.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The user that runs the servers. They refuse to run as root, so root runs them as the package's
/// user, and other users run them as themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    ids: Option<(u32, u32)>,
}

impl User {
    /// # Panics
    /// When this is root and the package's user does not exist.
    pub(super) fn find() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self { ids: None };
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = passwd.lines().find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        assert!(
            ids.is_some(),
            "root cannot run PostgreSQL, and there is no user postgres"
        );
        Self { ids }
    }

    /// Gives `path` to this user.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        match self.ids {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Runs `program` as this user.
    pub(super) fn command(self, program: &Path) -> Command {
        self.with_privileges(program, &[])
    }

    /// The same for a server, which gets `signal` when the thread that started it ends.
    pub(super) fn server(self, program: &Path, signal: &str) -> Command {
        self.with_privileges(program, &["--pdeathsig", signal])
    }

    fn with_privileges(self, program: &Path, options: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((user, group)) = self.ids {
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={group}"))
                .arg("--clear-groups");
        }
        command.args(options).arg("--").arg(program);
        // This user may not be allowed to enter the folder in which cargo runs.
        command.current_dir("/");
        command
    }
}

/// Runs `command` to its end.
///
/// # Panics
/// When it fails, with what it wrote.
pub(super) fn run(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}");
    });
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}
