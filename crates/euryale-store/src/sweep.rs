//! Removes blobs that ended writers have left behind.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;

use euryale_core::BoxError;

use crate::removal::gone;
use crate::writer::{self, LOCK, try_lock};

/// The maximum number of names in one query to the database.
const BATCH: usize = 1000;

/// Sweeps the folders of writers that have ended. Nothing is added there any more, so a blob that
/// no row names now will not be named later.
pub(crate) fn sweep(
    store: &Path,
    mut named: impl FnMut(&[String]) -> Result<HashSet<String>, BoxError>,
) -> Result<u64, BoxError> {
    let mut swept = 0;
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let Some(folder) = name(&entry, writer::is_folder) else {
            continue;
        };
        let Some(_lock) = ended(&entry.path())? else {
            continue;
        };
        let mut left = false;
        let mut batch = Vec::new();
        let mut ask = |batch: &mut Vec<String>| -> Result<bool, BoxError> {
            let kept = named(batch)?;
            for blob in batch.drain(..).filter(|blob| !kept.contains(blob)) {
                swept += u64::from(gone(fs::remove_file(store.join(blob)))?);
            }
            Ok(!kept.is_empty())
        };
        for file in fs::read_dir(entry.path())? {
            let file = file?;
            if file.file_name() == LOCK {
                continue;
            }
            match name(&file, writer::is_blob) {
                Some(blob) => batch.push(format!("{folder}/{blob}")),
                // The file is not a blob.
                None => left = true,
            }
            if batch.len() == BATCH {
                left |= ask(&mut batch)?;
            }
        }
        if !batch.is_empty() {
            left |= ask(&mut batch)?;
        }
        if !left {
            fs::remove_file(entry.path().join(LOCK))?;
            // Without its lock, another sweep may be removing it.
            gone(fs::remove_dir(entry.path()))?;
        }
    }
    Ok(swept)
}

/// Returns the name of the entry if it is a writer's folder.
fn name(entry: &DirEntry, is_ours: fn(&str) -> bool) -> Option<String> {
    entry
        .file_name()
        .into_string()
        .ok()
        .filter(|name| is_ours(name))
}

/// Acquires the lock of a writer's folder. Returns `None` if it is held.
fn ended(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The writer is just starting, and will start again; or it was stopped at this point,
            // and its folder is empty.
            let _ = fs::remove_dir(folder);
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error),
        // Another sweep may have removed it first.
        Ok(file) => try_lock(file, &path),
    }
}
