//! The data folder: the database, and the blobs beside it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use euryale::blob::FolderStore;
use euryale::{Access, BoxError, Database};
use euryale_sqlite::{Connection, Sqlite};

use crate::error::StartError;
use crate::store::{self, FileEntry, Format};
use crate::{chord, content, media};

const DATABASE: &str = "site.db";
const BLOBS: &str = "blobs";
/// Which database the blobs belong to.
const OWNER: &str = "blobs.id";

/// How long a program that starts waits for another one that fills the same database.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a site keeps, open.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) sqlite: Sqlite,
    pub(crate) blobs: FolderStore,
}

impl Data {
    /// Opens the database in `folder`, at the newest schema; a new one is filled with the sample
    /// content. What programs left over that were killed is swept away.
    ///
    /// Blocks: for the start, before anything is served.
    pub(crate) fn open(folder: &Path) -> Result<Self, StartError> {
        let data = Self::without_samples(folder)?;
        data.import_samples()
            .map_err(|error| cannot("import the sample pages", &error, folder))?;
        Ok(data)
    }

    /// The same; a new one stays empty.
    pub(crate) fn without_samples(folder: &Path) -> Result<Self, StartError> {
        let data = Self::bare(folder)?;
        let belongs = data
            .blobs_belong(folder)
            .map_err(|error| cannot("look into the data folder", &error, folder))?;
        if !belongs {
            let remedy = "put the site.db back that knows them, or move the folder away";
            let place = folder.join(BLOBS);
            return Err(StartError::new(
                "these files belong to another database",
                place.display(),
                remedy,
            ));
        }
        data.sweep()
            .map_err(|error| cannot("sweep the blobs", &error, folder))?;
        Ok(data)
    }

    /// The same, with nothing done to it but that the schema is the newest.
    fn bare(folder: &Path) -> Result<Self, StartError> {
        let made = FolderStore::open(folder.join(BLOBS));
        let blobs = made.map_err(|error| {
            let remedy = "check its parent folder, or choose another one with --data";
            StartError::new(
                format!("cannot make the data folder: {error}"),
                folder.display(),
                remedy,
            )
        })?;
        let sqlite =
            Sqlite::open(folder.join(DATABASE)).map_err(|error| StartError::database(&error))?;
        sqlite
            .migrate(&store::STEPS)
            .map_err(|error| StartError::database(&error))?;
        Ok(Self { sqlite, blobs })
    }

    /// What `write` does, in a transaction of its own: all of it or nothing.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let sqlite = self.sqlite.clone().busy_timeout(PATIENCE);
        let mut connection = sqlite.connect()?;
        sqlite.begin(&mut connection, Access::Write)?;
        let written = write(&connection)?;
        sqlite.commit(&mut connection)?;
        Ok(written)
    }

    /// What `read` finds, in one snapshot.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let mut connection = self.sqlite.connect()?;
        self.sqlite.begin(&mut connection, Access::Read)?;
        let found = read(&connection)?;
        self.sqlite.abort(&mut connection)?;
        Ok(found)
    }

    /// Are the blobs those of this database? What no row names is swept away, so a database that is
    /// new because the right one was not there must not have the last word.
    fn blobs_belong(&self, folder: &Path) -> Result<bool, BoxError> {
        let connection = self.sqlite.connect()?;
        let id = store::identity(&connection)?;
        let blobs = folder.join(BLOBS);
        let owner = folder.join(OWNER);
        match fs::read_to_string(&owner) {
            Ok(known) => Ok(known.trim() == id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_empty = fs::read_dir(&blobs)?.next().is_none();
                if !is_empty && !store::has_files(&connection)? {
                    return Ok(false);
                }
                let mut file = fs::File::create(&owner)?;
                writeln!(file, "{id}")?;
                file.sync_all()?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn sweep(&self) -> Result<(), BoxError> {
        let connection = self.sqlite.connect()?;
        let swept = self
            .blobs
            .sweep(|names| Ok(store::named(&connection, names)?))?;
        if swept > 0 {
            tracing::info!(files = swept, "swept away what no page names");
        }
        Ok(())
    }

    /// All of it or nothing, once: a start that is interrupted is made good by the next one.
    fn import_samples(&self) -> Result<(), BoxError> {
        if self.read(|connection| Ok(store::is_imported(connection)?))? {
            return Ok(());
        }
        let mut files = Vec::new();
        for (path, bytes) in content::PICTURES {
            files.push(self.sample(path, |file| file.write_all(bytes))?);
        }
        files.push(self.sample(content::CHORD, chord::write)?);
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
                    sample.body,
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

fn cannot(what: &str, error: &BoxError, folder: &Path) -> StartError {
    let remedy = "put it right and start again, or choose another folder with --data";
    StartError::new(format!("cannot {what}: {error}"), folder.display(), remedy)
}
