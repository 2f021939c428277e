//! The workspace on a machine without Python.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::call;
use crate::workspace::{self, Workspace};

/// The programs of tests in which some need Python, and the words in the names of these tests.
const TESTS: &str = "test --workspace --locked --test exposition --test it --test process --";
const NAMES: [&str; 4] = ["prometheus", "python", "supervisor", "inherited"];

/// Builds the extension module, and runs the tests that use Python where there is one, with a
/// `PATH` of links to all programs but interpreters. It is what `cargo test --workspace` does there
/// and nowhere else.
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
    call(cargo().args(TESTS.split(' ')).args(NAMES))
}

/// A folder of links to all programs in `path` but interpreters. The first one of a name counts.
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
