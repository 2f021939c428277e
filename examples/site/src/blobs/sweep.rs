//! What processes left over that have ended.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use euryale::BoxError;

use super::gone;
use super::writer::{LOCK, try_lock};

/// Only folders of writers that have ended are looked at: nothing is added there any more, so what no row names now,
/// no row will name.
pub(super) fn sweep(
    blobs: &Path,
    mut is_named: impl FnMut(&str) -> Result<bool, BoxError>,
) -> Result<u64, BoxError> {
    let mut swept = 0;
    for writer in fs::read_dir(blobs)? {
        let writer = writer?;
        let Some(_lock) = ended(&writer.path())? else { continue };
        let (mut left, folder) = (false, writer.file_name());
        for file in fs::read_dir(writer.path())? {
            let file = file?;
            if file.file_name() == LOCK {
                continue;
            }
            let name = format!("{}/{}", folder.to_string_lossy(), file.file_name().to_string_lossy());
            if is_named(&name)? {
                left = true;
                continue;
            }
            swept += u64::from(gone(fs::remove_file(file.path()))?);
        }
        if !left {
            fs::remove_file(writer.path().join(LOCK))?;
            // Without its lock, it may be another sweep that takes it away.
            gone(fs::remove_dir(writer.path()))?;
        }
    }
    Ok(swept)
}

/// The lock of a writer's folder, if nobody holds it.
fn ended(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A writer that begins, and then it begins again; or one that came no further, and then it is empty.
            let _ = fs::remove_dir(folder);
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error),
        // Another sweep may have been faster, and taken it away.
        Ok(file) => try_lock(file, &path),
    }
}
