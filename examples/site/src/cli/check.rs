//! `--check-config`: checks everything that settings name, and creates and changes nothing.
//!
//! Addresses are not bound, because a running site with these settings uses them already.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::{Access, access};

use crate::cli::effects::{self, Ways};
use crate::cli::error::StartError;
use crate::cli::listen::Listen;
use crate::cli::output::print;
use crate::cli::settings::Settings;
use crate::cli::variables;
use crate::serve::permits::Rules;
use crate::serve::{accounts, certificates, listeners, log};
use crate::store::{Engine, data};

/// Writes a line for each fault, first for `wrong`: values that are missing from `settings` because
/// they are invalid. Warnings are not faults: the site starts with them.
pub(crate) fn run(settings: &Settings, wrong: Vec<StartError>) -> Result<ExitCode, StartError> {
    let ways = Ways::of(settings);
    let mut warnings = Vec::new();
    let mut faults = wrong;
    // Whether a setting has an effect depends on the others, and so on all values.
    if faults.is_empty() {
        let rules = Rules::new(settings, listeners::is_loopback_only(settings, ways));
        let findings = effects::find(settings, ways, rules)?;
        warnings = findings.warnings;
        faults = findings.errors;
    }
    match settings.theme.try_out() {
        Ok(mistakes) => warnings.extend(mistakes),
        Err(error) => faults.push(error),
    }
    faults.extend(log::filter(settings).err());
    faults.extend(check_certificates(settings, ways).err());
    faults.extend(folders(settings));
    faults.extend(log_files(settings));
    faults.extend(unix_sockets(settings));
    for warning in variables::unknown() {
        eprintln!("warning: {warning}");
    }
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    print("The configuration is valid.\n");
    Ok(ExitCode::SUCCESS)
}

fn check_certificates(settings: &Settings, ways: Ways) -> Result<(), StartError> {
    match certificates::read(&settings.edge)? {
        None if ways.tls => Err(certificates::missing("--listen")),
        _ => Ok(()),
    }
}

/// The data folder is created if it is missing, and so are the files in it. A server is asked
/// whether it accepts this program.
fn folders(settings: &Settings) -> Vec<StartError> {
    let folder = &settings.storage.data;
    let cannot = |path: &Path, error: &io::Error| {
        let remedy = "check it and its parent folder, or choose another one with --data";
        StartError::new(
            format!("the site cannot write here: {error}"),
            path.display(),
            remedy,
        )
    };
    if let Err(error) = can_have_folder(folder) {
        return vec![cannot(folder, &error)];
    }
    let place = settings.storage.location().database;
    let database = match place.file() {
        Some(file) => can_have_file(&file).map_err(|error| cannot(&file, &error)),
        None => Engine::open(&place).map(drop),
    };
    let blobs = folder.join(data::BLOBS);
    let blobs = can_have_folder(&blobs).map_err(|error| cannot(&blobs, &error));
    [database, blobs]
        .into_iter()
        .filter_map(Result::err)
        .collect()
}

fn log_files(settings: &Settings) -> Vec<StartError> {
    let files = [
        (&settings.log_file, "--log-file"),
        (&settings.access_log, "--access-log"),
    ];
    let fault = |(path, flag): (&Option<PathBuf>, &str)| {
        let path = path.as_deref()?;
        let error = can_append(path).err()?;
        Some(StartError::new(
            format!("the log cannot be written here: {error}"),
            path.display(),
            format!("create its folder, or choose another one with {flag}"),
        ))
    };
    files.into_iter().filter_map(fault).collect()
}

/// Whether an existing file, or a new one in an existing folder, can be written to.
fn can_append(file: &Path) -> io::Result<()> {
    match file.metadata() {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(access(file, Access::WRITE_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => can_write(parent(file)),
        Err(error) => Err(error),
    }
}

fn unix_sockets(settings: &Settings) -> Vec<StartError> {
    let mut faults = Vec::new();
    for listen in &settings.listen {
        let Listen::Unix(path) = listen else {
            continue;
        };
        if let Err(error) = can_write(parent(path)) {
            faults.push(StartError::new(
                format!("no socket can be made here: {error}"),
                parent(path).display(),
                "create the folder, or choose another one with --listen",
            ));
        }
    }
    if let Some(error) = settings
        .edge
        .unix_owner
        .as_deref()
        .and_then(|owner| accounts::ids(owner).err())
    {
        faults.push(StartError::new(
            error,
            "--unix-owner",
            "write a number, or another name",
        ));
    }
    faults
}

/// Whether a folder exists, or can be created with its parents.
fn can_have_folder(folder: &Path) -> io::Result<()> {
    match folder.metadata() {
        Ok(found) if found.is_dir() => can_write(folder),
        Ok(_) => Err(ErrorKind::NotADirectory.into()),
        // A dangling link instead of the folder.
        Err(error) if folder.is_symlink() => Err(error),
        Err(error) if error.kind() == ErrorKind::NotFound => can_have_folder(parent(folder)),
        Err(error) => Err(error),
    }
}

/// Whether a file exists, or can be created with its folder.
fn can_have_file(file: &Path) -> io::Result<()> {
    match file.metadata() {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(access(file, Access::READ_OK | Access::WRITE_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => can_have_folder(parent(file)),
        Err(error) => Err(error),
    }
}

fn can_write(folder: &Path) -> io::Result<()> {
    Ok(access(
        folder,
        Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
    )?)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}
