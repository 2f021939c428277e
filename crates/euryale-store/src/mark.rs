//! The file that marks a folder of blobs as belonging to a database.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::removal::gone;

/// The name of the mark. No writer's folder has this name, because its letters are not all
/// hexadecimal digits.
const FILE: &str = "owner";

/// Reads the mark. An empty file is not a mark, because a crash may leave one.
pub(crate) fn read(folder: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(folder.join(FILE)) {
        Ok(mark) => Ok(Some(mark.trim().to_owned()).filter(|mark| !mark.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether the folder contains nothing but marks that a crash has left unfinished.
pub(crate) fn is_alone(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_empty_mark = name == FILE && entry.metadata()?.len() == 0;
        if !is_empty_mark && !is_new(name.as_encoded_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether this is the name of a mark that a process is writing.
fn is_new(name: &[u8]) -> bool {
    let number = name
        .strip_prefix(FILE.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"."));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

pub(crate) fn write(folder: &Path, mark: &str) -> io::Result<()> {
    // The mark is written under another name and renamed, because another process may be reading
    // it.
    let new = folder.join(format!("{FILE}.{}", std::process::id()));
    let mut file = File::create(&new)?;
    writeln!(file, "{mark}")?;
    file.sync_all()?;
    match fs::rename(&new, folder.join(FILE)) {
        // Another process has written the same mark, and removed this one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let there = read(folder)?;
            if there.as_deref() != Some(mark) {
                return Err(error);
            }
        }
        renamed => renamed?,
    }
    File::open(folder)?.sync_all()
}

/// Removes the unfinished marks of other processes, once the folder has a mark.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    if read(folder)?.is_none() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_new(entry.file_name().as_encoded_bytes()) {
            gone(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}
