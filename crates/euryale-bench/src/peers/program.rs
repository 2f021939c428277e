//! The programs that servers and clients are: how they are found, asked, and started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

/// The time that a server has until it accepts connections.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the path of an installed program. Debian keeps servers in folders that are not in a
/// user's `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Returns the first line that a program prints, on either output.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let Some(path) = which(program) else {
        return "not installed".to_owned();
    };
    let Ok(output) = Command::new(path).args(arguments).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text)
        .lines()
        .find(|line| !line.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}

/// This program, with other arguments.
pub(crate) fn own(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("where this program is")?);
    command.args(arguments);
    Ok(command)
}

/// Another program, which ends when this one ends, for whatever reason.
pub(crate) fn other(program: &Path) -> Result<Command> {
    let mut command = own(&["exec", "--"])?;
    command.arg(program);
    Ok(command)
}
