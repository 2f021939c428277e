//! The start of a child, and the marks by which it knows its parent.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::remove_directory;
use crate::{Listener, Shutdown};

/// The environment variable that asks a child for its [`first_step`], for programs that should not
/// be executed twice because an interpreter runs them. Before such a program starts a thread, it
/// removes this variable, and sets `LISTEN_PID` and [`CHILD_VARIABLE`] to its own process id.
pub const FIRST_STEP_VARIABLE: &str = "EURYALE_FIRST_STEP";
/// The environment variable that has the process id of a child of a
/// [supervisor](super::Supervisor). Programs that the child starts inherit it, and have other ids.
pub const CHILD_VARIABLE: &str = "EURYALE_CHILD";
/// Ends the names of sockets that belong to other children.
pub(super) const BACKUP: &str = "+backup";

/// Completes the start of a child of a [supervisor](super::Supervisor): sets `LISTEN_PID`, which
/// only the new process knows, and executes the program again. In other processes it does nothing.
/// Call it first in `main`.
///
/// # Errors
///
/// The program could not be executed again.
pub fn first_step() -> io::Result<()> {
    if std::env::var_os(FIRST_STEP_VARIABLE).is_none() {
        return Ok(());
    }
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.drain(..arguments.len().min(1)).next();
    let name = name.unwrap_or_default();
    let again = |program: &Path| {
        Command::new(program)
            .arg0(name.clone())
            .args(arguments.clone())
            .env_remove(FIRST_STEP_VARIABLE)
            .env("LISTEN_PID", std::process::id().to_string())
            .env(CHILD_VARIABLE, std::process::id().to_string())
            .exec()
    };
    match again(&std::env::current_exe()?) {
        // The file has just been replaced.
        error if error.kind() == ErrorKind::NotFound => Err(again(Path::new("/proc/self/exe"))),
        error => Err(error),
    }
}

/// Returns whether this process is a child of a [supervisor](super::Supervisor) and has done its
/// [`first_step`]. A program that such a child starts is not, although it inherits the environment.
pub fn is_child() -> bool {
    let own = std::process::id().to_string();
    std::env::var_os(CHILD_VARIABLE).is_some_and(|child| child == own.as_str())
}

/// In a child of a [supervisor](super::Supervisor), returns the path at which its parent expects a
/// Unix socket for commands ([`ChildStatus::console`](super::ChildStatus::console)). Only the user
/// of the parent can read its folder. In other processes it returns `None`.
pub fn console_path() -> Option<PathBuf> {
    let notice = std::env::var_os("NOTIFY_SOCKET").filter(|_| is_child())?;
    Some(super::child::console_path(Path::new(&notice)))
}

/// Takes the mark of another child's socket from its name.
pub(crate) fn as_child(name: String, listener: Listener) -> io::Result<(String, Listener)> {
    match name.strip_suffix(BACKUP) {
        Some(name) if is_child() => Ok((name.to_owned(), listener.backup()?)),
        _ => Ok((name, listener)),
    }
}

/// In a child of a [supervisor](super::Supervisor), drains when the parent has ended, even if it
/// was killed. In other processes it does nothing.
///
/// # Errors
///
/// The thread that watches the parent could not be started.
pub fn drain_without_parent(shutdown: &Shutdown) -> io::Result<()> {
    if !is_child() {
        return Ok(());
    }
    let shutdown = shutdown.clone();
    // Read here, and not in the thread, because an interpreter may change the environment later.
    let notice = std::env::var_os("NOTIFY_SOCKET");
    let watch = move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(read) if read > 0) {}
        // A killed parent leaves its files behind. They are removed first, because the process may
        // end as soon as it drains.
        if let Some(notice) = notice {
            remove_directory(Path::new(&notice));
        }
        shutdown.drain();
    };
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(watch)?;
    Ok(())
}
