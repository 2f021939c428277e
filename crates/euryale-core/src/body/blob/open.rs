//! An open file that is closed on the right thread.

use std::fmt;
#[cfg(feature = "fs")]
use std::fs;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
#[cfg(feature = "fs")]
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
#[cfg(feature = "fs")]
use std::sync::{Mutex, PoisonError};

use crate::body::Descriptor;
use crate::threads::close_elsewhere;

/// The length, in bytes, from which freeing a file's blocks takes longer than handing it to another
/// thread.
const LARGE: u64 = 1 << 20;

/// A file that is closed by its last owner. If closing deletes the file, it is closed outside the
/// runtime's threads, because closing an unnamed, spooled or replaced file frees all of its blocks.
pub(crate) struct OpenFile {
    /// Taken by the drop.
    file: Option<File>,
    pub(crate) inode: (u64, u64),
    descriptor: OnceLock<Descriptor>,
    #[cfg(feature = "fs")]
    spare: SpareName,
}

impl OpenFile {
    pub(crate) fn new(file: File, metadata: &Metadata) -> Self {
        Self {
            file: Some(file),
            inode: (metadata.dev(), metadata.ino()),
            descriptor: OnceLock::new(),
            #[cfg(feature = "fs")]
            spare: SpareName::default(),
        }
    }

    /// Holds `descriptor` until the file is closed, unless it holds one.
    pub(crate) fn count(&self, descriptor: Descriptor) {
        let _ = self.descriptor.set(descriptor);
    }

    /// Keeps this spare name of the file until it is closed, because a file without any name cannot
    /// be linked again. One is enough; a second one is removed.
    #[cfg(feature = "fs")]
    pub(crate) fn spare_name(&self, name: PathBuf) -> io::Result<()> {
        self.spare.set(name)
    }

    /// Returns whether this is the spare name, which then becomes a real name again and stays.
    #[cfg(feature = "fs")]
    pub(crate) fn reclaim_spare_name(&self, name: &Path) -> bool {
        self.spare.reclaim(name)
    }

    /// Records that the file has another name.
    #[cfg(feature = "fs")]
    pub(crate) fn forget_spare_name(&self) {
        self.spare.forget(self);
    }

    /// Returns whether this name leads to this file.
    #[cfg(feature = "fs")]
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        is_of(self, path).unwrap_or(false)
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        self.file.as_ref().expect("only the drop takes it")
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        // Dropped first, because without the spare name the file may have no name at all.
        #[cfg(feature = "fs")]
        self.spare.forget(&file);
        if is_large_and_nameless(&file).unwrap_or(false) {
            close_elsewhere((file, self.descriptor.take()));
        } else {
            // Dropped before its descriptor is returned.
            drop(file);
        }
    }
}

/// A spare name, whose only purpose is that the file has one.
#[cfg(feature = "fs")]
#[derive(Default)]
struct SpareName(Mutex<Option<PathBuf>>);

#[cfg(feature = "fs")]
impl SpareName {
    fn set(&self, name: PathBuf) -> io::Result<()> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*spare {
            Some(_) => fs::remove_file(name),
            None => {
                *spare = Some(name);
                Ok(())
            }
        }
    }

    fn reclaim(&self, name: &Path) -> bool {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.take_if(|spare| spare == name).is_some()
    }

    /// Removes the spare name of `file`, unless it belongs to another file by now.
    fn forget(&self, file: &File) {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(name) = spare.filter(|name| is_of(file, name).unwrap_or(false)) {
            // On failure the name is already gone, or belongs to the code that has the list of
            // valid names. The file is open, so no block is freed here.
            let _ = fs::remove_file(name);
        }
    }
}

#[cfg(feature = "fs")]
fn is_of(file: &File, path: &Path) -> io::Result<bool> {
    let named = fs::symlink_metadata(path)?;
    let open = file.metadata()?;
    Ok((named.dev(), named.ino()) == (open.dev(), open.ino()))
}

fn is_large_and_nameless(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.nlink() == 0 && metadata.len() >= LARGE)
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
