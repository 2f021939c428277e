//! Opens files, but only below a folder. All functions block.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use euryale_core::Blob;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::FolderSettings;
use super::coding::Coding;
use super::name::{Name, with_ending};
use super::service::counted;
use crate::media_type;

/// The result of looking up a name.
#[derive(Debug)]
pub(super) enum Found {
    File {
        blob: Blob,
        coding: Option<Coding>,
    },
    /// A folder that was requested without its slash.
    Folder,
    Nothing,
}

pub(super) fn find(
    root: &Path,
    name: &Name,
    codings: &[Coding],
    stable: bool,
) -> io::Result<Found> {
    let root = openat(CWD, root, FOLDER, Mode::empty())?;
    let Some(file) = open(&root, &name.path)? else {
        return Ok(Found::Nothing);
    };
    let kind = file.metadata()?;
    if kind.is_dir() && !name.is_folder {
        return Ok(Found::Folder);
    }
    if !kind.is_file() {
        return Ok(Found::Nothing);
    }
    for &coding in codings {
        let path = with_ending(&name.path, coding.ending());
        match beside(&root, &path, stable) {
            Ok(Some(blob)) => {
                return Ok(Found::File {
                    blob: blob.coded(coding.name()),
                    coding: Some(coding),
                });
            }
            Ok(None) => {}
            // The uncompressed file exists, so it can be sent instead.
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "a compressed file is passed over");
            }
        }
    }
    Ok(Found::File {
        blob: blob(file, stable)?,
        coding: None,
    })
}

/// Opens the file of this name for a publisher.
pub(super) fn file(settings: &FolderSettings, path: &Path) -> io::Result<Option<Blob>> {
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || path.as_os_str().as_bytes().contains(&0) {
        return Ok(None);
    }
    let name = Name {
        path: path.to_owned(),
        is_folder: false,
    };
    let found = counted(settings.descriptors.as_ref(), || {
        find(&settings.root, &name, &[], settings.stable)
    });
    Ok(match found? {
        Found::File { blob, .. } => Some(blob.typed(media_type(path))),
        Found::Folder | Found::Nothing => None,
    })
}

fn beside(root: &OwnedFd, path: &Path, stable: bool) -> io::Result<Option<Blob>> {
    match open(root, path)? {
        Some(file) if file.metadata()?.is_file() => blob(file, stable).map(Some),
        _ => Ok(None),
    }
}

fn blob(file: File, stable: bool) -> io::Result<Blob> {
    if stable {
        // SAFETY: the caller of `ServeFolder::stable` made this promise for each file of the
        // folder.
        #[expect(unsafe_code, reason = "the caller's promise is passed on")]
        unsafe {
            Blob::stable(file)
        }
    } else {
        Blob::new(file)
    }
}

/// Opens the file. Returns `None` if there is no such file or its name is hidden.
fn open(root: &OwnedFd, path: &Path) -> io::Result<Option<File>> {
    match open_beneath(root, path).or_else(|error| match error {
        // The kernel is too old, or a sandbox forbids the call.
        Errno::NOSYS | Errno::PERM => open_in_steps(root, path),
        error => Err(error),
    }) {
        Ok(file) => Ok(Some(file.into())),
        Err(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::NXIO,
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opening neither waits for the other end of a pipe nor acquires a controlling terminal.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

#[cfg(target_os = "linux")]
fn open_beneath(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};

    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    openat2(root, path, FILE, Mode::empty(), resolve)
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    open_in_steps(root, path)
}

/// Opens folder by folder without following links. The path must not contain `..`.
pub(super) fn open_in_steps(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let mut names = path.iter().peekable();
    let mut folder = None;
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() { FOLDER } else { FILE };
        let within = folder.as_ref().unwrap_or(root);
        let next = openat(within, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        if names.peek().is_none() {
            return Ok(next);
        }
        folder = Some(next);
    }
    Err(Errno::NOENT)
}
