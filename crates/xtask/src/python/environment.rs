//! Virtual environments, and the package index that fills them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{call, interpreter};

/// A package of 8 KB without dependencies, which pytest needs as well.
const SMALL: &str = "iniconfig";

/// The maximum length of a reason, in characters.
const LONGEST: usize = 300;

/// An environment in the folder of this name, with these requirements, one a line.
#[derive(Debug)]
pub(crate) struct Environment {
    folder: PathBuf,
    requirements: String,
}

/// Whether the package index answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IndexAnswer {
    Some,
    /// The first line that pip wrote, which has the reason. Its last line only says that it found
    /// nothing.
    None(String),
}

impl Environment {
    pub(crate) fn new(place: &Path, name: &str, requirements: &str) -> Self {
        Self {
            folder: place.join(name),
            requirements: requirements.to_owned(),
        }
    }

    /// Returns whether all requirements are installed.
    pub(crate) fn is_made(&self) -> bool {
        fs::read_to_string(self.stamp()).is_ok_and(|installed| installed == self.requirements)
    }

    /// The folder, and the first requirements.
    pub(crate) fn describe(&self) -> String {
        let mut lines = self.requirements.lines();
        let first: Vec<&str> = lines.by_ref().take(8).collect();
        let rest = match lines.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{rest} in {}", first.join(", "), self.folder.display())
    }

    /// Returns its interpreter. Creates the environment if it does not exist.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        let python = self.folder.join("bin/python");
        if self.is_made() {
            return Ok(python);
        }
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        make(&self.folder)?;
        let wanted = self.folder.join("wanted.txt");
        fs::write(&wanted, &self.requirements)?;
        pip(&python, ["--prefer-binary", "-r"], &wanted)?;
        // Written only now, so that an interrupted installation is started again.
        fs::rename(wanted, self.stamp())?;
        Ok(python)
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("requirements.txt")
    }
}

fn make(folder: &Path) -> Result<()> {
    let mut venv = Command::new(interpreter());
    call(venv.args(["-m", "venv"]).arg(folder))
}

pub(crate) fn pip(python: &Path, options: [&str; 2], what: impl AsRef<OsStr>) -> Result<()> {
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

/// Downloads a small package, as pip is configured, and without its cache.
pub(crate) fn ask_index(place: &Path) -> Result<IndexAnswer> {
    let folder = place.join("asking");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    // Not every interpreter has pip; that of an environment comes with `venv`.
    make(&folder)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--no-cache-dir"])
        .args(["--retries", "1", "--timeout", "10", "--dest"])
        .arg(folder.join("downloads"))
        .arg(SMALL);
    let output = pip.output().with_context(|| format!("starting {pip:?}"))?;
    fs::remove_dir_all(&folder)?;
    if output.status.success() {
        return Ok(IndexAnswer::Some);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty());
    let reason = first
        .unwrap_or("pip failed")
        .chars()
        .take(LONGEST)
        .collect();
    Ok(IndexAnswer::None(reason))
}
