//! The Python package: a wheel, a virtual environment, and its tests in it.
//!
//! Everything is kept in `target/python`. An environment is made again only when its list of
//! requirements has changed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{self, Workspace};

const CRATE: &str = "crates/euryale-python";

/// Builds wheels. It is pinned here; `pyproject.toml` allows every version of the same major one.
const MATURIN: &str = "maturin==1.16.0";

/// Which tests run, and in which environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Flask, Django, Pyramid and Zope.
    Frameworks,
    /// A Plone site, from some 240 packages.
    Plone,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Frameworks => "frameworks",
            Self::Plone => "plone",
        }
    }

    fn requirements(self) -> &'static str {
        match self {
            Self::Frameworks => "requirements.txt",
            Self::Plone => "requirements-plone.txt",
        }
    }
}

/// Whether there is an interpreter that the package runs on.
pub(crate) fn is_possible() -> bool {
    let mut command = Command::new(interpreter());
    command.args([
        "-c",
        "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))",
    ]);
    command.output().is_ok_and(|output| output.status.success())
}

/// The interpreter of the tests: `PYTHON`, or `python3`.
fn interpreter() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Checks that the extension module builds on a machine without Python, as `cargo test --workspace`
/// needs it: with a `PATH` of links to all programs but interpreters.
fn without_python() -> Result<()> {
    let place = Workspace::load()?.root.join("target/python");
    let programs = place.join("programs");
    if programs.exists() {
        fs::remove_dir_all(&programs)?;
    }
    fs::create_dir_all(&programs)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    for folder in std::env::split_paths(&path) {
        for program in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = program.file_name();
            let is_interpreter = name.to_string_lossy().starts_with("py");
            let link = programs.join(name);
            // The first one of a name counts.
            if !is_interpreter && link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(program.path(), link)?;
            }
        }
    }
    let mut cargo = Command::new(workspace::cargo());
    cargo
        .args(["check", "-p", "euryale-python", "--all-targets", "--locked"])
        .arg("--target-dir")
        .arg(place.join("without"))
        .env("PATH", &programs)
        .env_remove("VIRTUAL_ENV");
    call(&mut cargo)
}

/// Builds the wheel, installs it, and runs the suite.
pub(crate) fn run(suite: Suite) -> Result<()> {
    ensure!(
        is_possible(),
        "`{}` is not Python 3.10 or newer with venv: install it, or name another in PYTHON",
        interpreter()
    );
    let root = Workspace::load()?.root;
    let place = root.join("target/python");
    if suite == Suite::Frameworks {
        without_python()?;
    }
    fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let wheel = build(&root, &place)?;
    let requirements = root.join(CRATE).join("tests").join(suite.requirements());
    let python = environment(&place, suite.name(), &fs::read_to_string(requirements)?)?;
    pip(&python, ["--force-reinstall", "--no-deps"], &wheel)?;
    let mut tests = Command::new(&python);
    tests
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .args([
            "-m",
            if suite == Suite::Plone {
                "plone"
            } else {
                "not plone"
            },
        ])
        .arg("tests")
        .current_dir(root.join(CRATE));
    call(&mut tests)
}

/// The wheel, of the development profile: the tests ask whether it is right, not how fast it is.
fn build(root: &Path, place: &Path) -> Result<PathBuf> {
    let python = environment(place, "maturin", MATURIN)?;
    let wheels = place.join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = Command::new(&python);
    maturin
        .args(["-m", "maturin", "build", "--profile", "dev", "--locked"])
        .args(["--compatibility", "linux", "--out"])
        .arg(&wheels)
        .current_dir(root.join(CRATE))
        .env("CARGO", workspace::cargo());
    call(&mut maturin)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&wheels)? {
        found.push(entry?.path());
    }
    match &found[..] {
        [wheel] => Ok(wheel.clone()),
        _ => bail!("{} holds {} wheels, not one", wheels.display(), found.len()),
    }
}

/// The interpreter of an environment that has these requirements, one a line.
fn environment(place: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = place.join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut venv = Command::new(interpreter());
    call(venv.args(["-m", "venv"]).arg(&folder))?;
    let wanted = folder.join("wanted.txt");
    fs::write(&wanted, requirements)?;
    pip(&python, ["--prefer-binary", "-r"], &wanted)?;
    // Only now: an installation that was broken off is begun again.
    fs::rename(wanted, stamp)?;
    Ok(python)
}

fn pip(python: &Path, options: [&str; 2], what: impl AsRef<OsStr>) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    call(pip.args(options).arg(what))
}

fn call(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?}, {status}");
    Ok(())
}
