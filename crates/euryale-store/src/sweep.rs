//! Removes what ended writers have left behind.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;

use euryale_core::BoxError;

use crate::removal::gone;
use crate::writer::{self, LOCK, try_lock};

/// The maximum number of names in one query to the database.
const BATCH: usize = 1000;

/// Only folders of writers that have ended are looked at: nothing is added there any more, so what
/// no row names now, no row will name.
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
                // Not ours.
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

/// Its name, if it is a writer's folder.
fn name(entry: &DirEntry, is_ours: fn(&str) -> bool) -> Option<String> {
    entry
        .file_name()
        .into_string()
        .ok()
        .filter(|name| is_ours(name))
}

/// The lock of a writer's folder, if nobody holds it.
fn ended(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A writer that is just starting, which then starts again; or one that got no further,
            // whose folder is empty.
            let _ = fs::remove_dir(folder);
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error),
        // Another sweep may have been faster, and removed it.
        Ok(file) => try_lock(file, &path),
    }
}
