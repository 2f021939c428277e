//! The workspace on a machine without Python.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::call;
use crate::workspace::{self, Workspace};

/// The test programs with tests that need Python, and the names of these tests.
const TESTS: &str = "test --locked -p euryale -p site --test exposition --test process --";
const NAMES: [&str; 5] = [
    "prometheus_can_read_it",
    "sockets_of_a_supervisor_are_served",
    "sockets_of_a_supervisor_may_speak_tls",
    "inherited_socket_is_not_local",
    "only_the_ingress_controller_reaches_the_pod",
];

/// Builds the extension module and runs the tests that use Python if there is one, with a `PATH`
/// that has links to all programs except interpreters. On such a machine, `cargo test --workspace`
/// does the same.
///
/// Each of these tests must report that it is skipped. A test that does not was renamed, or has
/// found an interpreter.
///
/// The module is built in a folder of its own: otherwise the result of a build that had found an
/// interpreter would be used again.
pub(crate) fn run() -> Result<()> {
    let place = Workspace::load()?.root.join("target/python");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = link_programs(&place, &path)?;
    let cargo = || {
        let mut cargo = Command::new(workspace::cargo());
        cargo
            .env("PATH", &programs)
            .env_remove("VIRTUAL_ENV")
            .env_remove("PYTHON")
            // Tests are skipped there.
            .env_remove("CI");
        cargo
    };
    let build = ["build", "-p", "euryale-python", "--locked"];
    call(
        cargo()
            .args(build)
            .arg("--target-dir")
            .arg(place.join("without")),
    )?;
    let mut tests = cargo();
    let tests = tests.args(TESTS.split(' ')).args(NAMES);
    let output = tests
        .output()
        .with_context(|| format!("starting {tests:?}"))?;
    io::stdout().write_all(&output.stdout)?;
    io::stderr().write_all(&output.stderr)?;
    ensure!(output.status.success(), "{tests:?}, {}", output.status);
    all_skipped(&String::from_utf8_lossy(&output.stderr))
}

/// Returns whether the tests' standard error has a line for each of these tests.
pub(crate) fn all_skipped(said: &str) -> Result<()> {
    let skipped = said
        .lines()
        .filter(|line| line.starts_with("SKIPPED: "))
        .count();
    let all = NAMES.len();
    ensure!(
        skipped == all,
        "{skipped} of {all} tests were skipped without Python: {}",
        NAMES.join(", ")
    );
    Ok(())
}

/// Creates a folder with links to all programs in `path` except interpreters. The first one of a
/// name counts.
pub(crate) fn link_programs(place: &Path, path: &OsStr) -> Result<PathBuf> {
    let programs = place.join("programs");
    if programs.exists() {
        fs::remove_dir_all(&programs)?;
    }
    fs::create_dir_all(&programs)?;
    for folder in std::env::split_paths(path) {
        for program in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = program.file_name();
            let is_interpreter = name.to_string_lossy().starts_with("py");
            let link = programs.join(name);
            if !is_interpreter && link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(program.path(), link)?;
            }
        }
    }
    Ok(programs)
}
