//! The data: the database, and the folder of blobs.

use std::io::Write;
use std::path::{Path, PathBuf};

use euryale::store::{BlobStore, FolderStore};
use euryale::transaction::{Access, Fault};
use euryale::{BoxError, Database};

use super::{Connection, Engine, Place};
use crate::cli::error::StartError;
use crate::demo::{audio, content};
use crate::pages::media;
use crate::store::{self, FileEntry, Format};

pub(crate) const BLOBS: &str = "blobs";

/// The number of times that a transaction of a task is tried, if others come first.
const ATTEMPTS: usize = 5;

/// Where a site's data is.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// The folder of the files, and of SQLite's database unless that is elsewhere.
    pub(crate) folder: PathBuf,
    pub(crate) database: Place,
}

/// A folder with everything in it.
impl<P: AsRef<Path> + ?Sized> From<&P> for Location {
    fn from(folder: &P) -> Self {
        let folder = folder.as_ref().to_owned();
        Self {
            database: Place::Sqlite(folder.clone()),
            folder,
        }
    }
}

/// A site's data, opened.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) engine: Engine,
    pub(crate) blobs: FolderStore,
}

impl Data {
    /// Opens the data, with the database at the newest schema; a new one is filled with the sample
    /// content. Leftovers of killed programs are swept away.
    ///
    /// Blocks: for the start, before anything is served.
    pub(crate) fn open(location: impl Into<Location>) -> Result<Self, StartError> {
        let location = location.into();
        let data = Self::without_samples(location.clone())?;
        data.import_samples()
            .map_err(|error| cannot("import the sample pages", &error, &location))?;
        Ok(data)
    }

    /// The same, but a new database stays empty.
    pub(crate) fn without_samples(location: impl Into<Location>) -> Result<Self, StartError> {
        let location = location.into();
        let data = Self::bare(&location)?;
        let whose = data
            .whose_blobs()
            .map_err(|error| cannot("look into the data folder", &error, &location))?;
        let (what, remedy) = match whose {
            Whose::Ours => ("", ""),
            Whose::Others => (
                "these files belong to another database",
                location.database.restore(),
            ),
            Whose::Missing => (
                "the files that the database has rows for are missing",
                "mount their volume, or restore them from a backup",
            ),
        };
        if !matches!(whose, Whose::Ours) {
            let blobs = location.folder.join(BLOBS);
            return Err(StartError::new(what, blobs.display(), remedy));
        }
        data.sweep()
            .map_err(|error| cannot("sweep the blobs", &error, &location))?;
        Ok(data)
    }

    /// The same, but only brings the database to the newest schema.
    fn bare(location: &Location) -> Result<Self, StartError> {
        let made = FolderStore::open(location.folder.join(BLOBS));
        let blobs = made.map_err(|error| {
            let remedy = "check its parent folder, or choose another one with --data";
            StartError::new(
                format!("cannot make the data folder: {error}"),
                location.folder.display(),
                remedy,
            )
        })?;
        let engine = Engine::open(&location.database)?;
        engine.migrate()?;
        Ok(Self { engine, blobs })
    }

    /// Runs `write` in its own transaction: all of it or nothing. It is called again if another
    /// transaction came first.
    pub(crate) fn write<T>(
        &self,
        mut write: impl FnMut(&mut Connection) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let engine = self.engine.patient();
        let mut connection = engine.connect()?;
        let mut attempt = 1;
        loop {
            let written = engine
                .begin(&mut connection, Access::Write.into())
                .and_then(|()| write(&mut connection))
                .and_then(|written| engine.commit(&mut connection).map(|()| written));
            match written {
                Err(error) if attempt < ATTEMPTS && engine.fault(&*error) == Fault::Conflict => {
                    engine.abort(&mut connection)?;
                    attempt += 1;
                }
                written => return written,
            }
        }
    }

    /// Runs `read` in one snapshot.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let mut connection = self.engine.connect()?;
        self.engine.begin(&mut connection, Access::Read.into())?;
        let found = read(&mut connection)?;
        self.engine.abort(&mut connection)?;
        Ok(found)
    }

    /// Returns the owner of the blobs. The sweep removes every blob without a row, so it must not
    /// run if the database is new because the right one was missing. Nor may uploads be written
    /// below the mount point of a missing volume.
    ///
    /// The folder is marked with the name of its database, and the database remembers that it has
    /// marked a folder.
    fn whose_blobs(&self) -> Result<Whose, BoxError> {
        let (id, has_marked) = self.read(|connection| {
            let id = store::identity(connection)?;
            Ok((id, store::has_marked_blobs(connection)?))
        })?;
        if !has_marked {
            // Programs that start together do this one after the other.
            return self.write(|connection| self.mark_blobs(&id, connection));
        }
        // Read after the database was asked: the mark is written before the database remembers it.
        match self.blobs.mark()? {
            None => Ok(Whose::Missing),
            Some(mark) if mark != id => Ok(Whose::Others),
            Some(_) => {
                self.blobs.adopt(&id)?;
                Ok(Whose::Ours)
            }
        }
    }

    /// Marks the folder of blobs for a database that has not marked one yet. Either of them is new,
    /// or both are older than marks: then the folder must have the blobs that the rows name.
    fn mark_blobs(&self, id: &str, connection: &mut Connection) -> Result<Whose, BoxError> {
        match self.blobs.mark()? {
            Some(mark) if mark != id => return Ok(Whose::Others),
            Some(_) => {}
            None => match store::some_blob(connection)? {
                Some(blob) if self.blobs.blob(&blob).is_err() => return Ok(Whose::Missing),
                None if !self.blobs.is_unused()? => return Ok(Whose::Others),
                _ => {}
            },
        }
        self.blobs.adopt(id)?;
        store::set_marked_blobs(connection)?;
        Ok(Whose::Ours)
    }

    fn sweep(&self) -> Result<(), BoxError> {
        let mut connection = self.engine.connect()?;
        let swept = self
            .blobs
            .sweep(|names| Ok(store::named(&mut connection, names)?))?;
        if swept > 0 {
            tracing::info!(target: "site::data", files = swept, "removed files that no page names");
        }
        Ok(())
    }

    /// All or nothing, and only once: the next start completes an interrupted attempt.
    fn import_samples(&self) -> Result<(), BoxError> {
        if self.read(|connection| Ok(store::is_imported(connection)?))? {
            return Ok(());
        }
        let mut files = Vec::new();
        for (path, bytes) in content::PICTURES {
            files.push(self.sample(path, |file| file.write_all(bytes))?);
        }
        files.push(self.sample(content::CHORD, audio::write)?);
        self.blobs.sync()?;
        let is_first = self.write(|connection| {
            // Another program may have been first.
            if store::is_imported(connection)? {
                return Ok(false);
            }
            for sample in content::samples() {
                store::add(
                    connection,
                    sample.path,
                    sample.title,
                    Format::Markdown,
                    &sample.body,
                )?;
            }
            files
                .iter()
                .try_for_each(|file| store::put_file(connection, file))?;
            Ok(store::set_imported(connection).map(|()| true)?)
        })?;
        if !is_first {
            files
                .iter()
                .try_for_each(|file| self.blobs.discard(&file.blob))?;
        }
        Ok(())
    }

    /// A file of the samples, on the disk, that no row names yet.
    fn sample(
        &self,
        path: &str,
        fill: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>,
    ) -> Result<FileEntry, BoxError> {
        let (blob, mut file) = self.blobs.create()?;
        fill(&mut file)?;
        file.sync_all()?;
        Ok(FileEntry {
            path: path.to_owned(),
            blob,
            size: file.metadata()?.len(),
            content_type: media::of_name(path).to_owned(),
            modified: store::now(),
        })
    }
}

/// Returns the owner of the folder of blobs.
enum Whose {
    Ours,
    Others,
    /// This is not the folder of blobs that the database has: usually the mount point of a missing
    /// volume.
    Missing,
}

fn cannot(what: &str, error: &BoxError, location: &Location) -> StartError {
    if let Place::Sqlite(folder) = &location.database
        && store::is_damaged(&**error)
    {
        let what = format!("the database is damaged: cannot {what}: {error}");
        let remedy = "restore site.db from a backup, or choose another folder with --data";
        return StartError::new(what, folder.join(store::FILE).display(), remedy);
    }
    let remedy = "correct this and start again, or choose another folder with --data";
    let place = location.folder.display();
    StartError::new(format!("cannot {what}: {error}"), place, remedy)
}
