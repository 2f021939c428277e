//! Files as they are kept: each in a folder beside the database, under a name that the database knows.
//!
//! The file is there before the row that names it, and goes after it; so a row always has its file. What is left over
//! when a program ends in between is swept away by the next start.

mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use euryale::{Blob, BoxError, Database, Participant, SpooledBody, Transaction};

use self::writer::Writer;

/// The folder. Several processes may share it.
#[derive(Clone, Debug)]
pub(crate) struct Blobs {
    folder: Arc<Path>,
    /// This process, once it has written something.
    writer: Arc<Mutex<Option<Writer>>>,
}

impl Blobs {
    /// In `folder`, which is made if it is not there.
    pub(crate) fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder: folder.into(), writer: Arc::default() })
    }

    /// On the file system of the blobs: what is spooled here is linked into place.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file called `name`, open.
    pub(crate) fn read(&self, name: &str) -> io::Result<Blob> {
        // Never changed once it has its name.
        Blob::stable(File::open(self.folder.join(name))?)
    }

    /// Keeps `body` if `transaction` commits; gives the name that a row must hold then.
    pub(crate) fn keep<D: Database>(
        &self,
        body: SpooledBody,
        transaction: &mut Transaction<'_, D>,
    ) -> io::Result<String> {
        let name = self.new_name()?;
        transaction.join(Upload { path: self.folder.join(&name), body, is_placed: false });
        Ok(name)
    }

    /// Removes the file called `name` once `transaction` has committed.
    pub(crate) fn remove<D: Database>(&self, name: &str, transaction: &mut Transaction<'_, D>) {
        transaction.join(Removal(self.folder.join(name)));
    }

    /// A new file that has no name, and goes when it is closed, unless it is kept.
    pub(crate) fn nameless(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder)
    }

    /// A new file, to be filled and synced before a row names it. Outside any transaction, for an import.
    pub(crate) fn create(&self) -> io::Result<(String, File)> {
        let name = self.new_name()?;
        let file = File::create_new(self.folder.join(&name))?;
        Ok((name, file))
    }

    /// Removes a file that no row names: one that [`create`](Self::create) made, or that another one replaced.
    pub(crate) fn discard(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    /// The names of new files are on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.as_ref().map_or(Ok(()), |writer| writer.sync(&self.folder))
    }

    /// Removes what `is_named` does not know, of processes that have ended. Says how many files that were.
    pub(crate) fn sweep(
        &self,
        is_named: impl FnMut(&str) -> Result<bool, BoxError>,
    ) -> Result<u64, BoxError> {
        sweep::sweep(&self.folder, is_named)
    }

    fn new_name(&self) -> io::Result<String> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &mut *writer {
            Some(writer) => writer,
            none => none.insert(Writer::begin(&self.folder)?),
        };
        Ok(writer.new_name())
    }
}

/// Votes by giving the body its name.
struct Upload {
    path: PathBuf,
    body: SpooledBody,
    is_placed: bool,
}

impl Participant for Upload {
    fn vote(&mut self) -> Result<(), BoxError> {
        self.body.persist(&self.path)?;
        self.is_placed = true;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&mut self) {
        // What stays is swept away.
        if self.is_placed
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%error, %path, "an upload that was aborted stays until the next start");
        }
    }
}

/// Nothing to vote on: the file goes when nobody can ask for it any more.
struct Removal(PathBuf);

impl Participant for Removal {
    fn vote(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        gone(fs::remove_file(&self.0))?;
        Ok(())
    }

    fn abort(&mut self) {}
}

/// Did this remove it, or was it gone already? When one process ends a removal and another one sweeps, either may be
/// the first.
fn gone(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
