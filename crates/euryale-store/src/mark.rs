//! The file that marks a folder of blobs as belonging to a database.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// No writer's folder has this name: its letters are not all hexadecimal digits.
const FILE: &str = "owner";

/// An empty file is not a mark: a crash may leave one.
pub(crate) fn read(folder: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(folder.join(FILE)) {
        Ok(mark) => Ok(Some(mark.trim().to_owned()).filter(|mark| !mark.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn write(folder: &Path, mark: &str) -> io::Result<()> {
    // Written whole or not at all, because another process may be reading it.
    let new = folder.join(format!("{FILE}.{}", std::process::id()));
    let mut file = File::create(&new)?;
    writeln!(file, "{mark}")?;
    file.sync_all()?;
    fs::rename(&new, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}
