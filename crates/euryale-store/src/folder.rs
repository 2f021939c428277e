//! Keeps blobs as files in a folder.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use euryale_core::body::{Descriptors, SpooledBody};
use euryale_core::{Blob, BoxError, Database, Ledger, Transaction};

use crate::mark;
use crate::participants::{Keep, Remove};
use crate::sweep;
use crate::writer::{self, Writer};
use crate::{BlobStore, StoreBook, WrongLength};

/// A [`BlobStore`] in a folder, which several processes may share.
///
/// Bodies that are spooled on the same file system are linked into place without a copy. So let the
/// spool use [the folder itself](FolderStore::folder) as its directory. Other bodies are written
/// when they are kept.
///
/// ```
/// use std::io::Write;
/// use euryale_store::{BlobStore, FolderStore};
///
/// # use std::collections::HashSet;
/// # fn in_rows(_: &[String]) -> Result<HashSet<String>, euryale_core::BoxError> {
/// #     Ok(HashSet::new())
/// # }
/// # fn main() -> Result<(), euryale_core::BoxError> {
/// # let data = tempfile::tempdir()?;
/// let store = FolderStore::open(data.path().join("blobs"))?;
/// // At a start: what a crash left goes.
/// let swept = store.sweep(|names| in_rows(names))?;
/// # assert_eq!(swept, 0);
/// // Outside of requests, for an import. In a publisher: `store.keep(body, transaction)?`.
/// let (name, mut file) = store.create()?;
/// file.write_all(b"Stheno, Euryale, Medusa")?;
/// file.sync_all()?;
/// store.sync()?;
/// // Now a row may name it, and it can be sent.
/// assert_eq!(store.blob(&name)?.len(), 23);
/// # Ok(())
/// # }
/// ```
///
/// # What is in the folder?
///
/// A *writer* is an opened store, with its clones, that adds blobs. Each writer has its own
/// subfolder with a random name, which is created with its first blob. The subfolder contains the
/// writer's blobs, which are numbered, and the file `lock`, on which the writer holds a lock. The
/// name of a blob is `folder/number`. The file `owner` is the [mark](FolderStore::adopt) of an
/// adopted folder. Anything else in the folder is left alone.
///
/// # Crash consistency
///
/// When `keep` returns, the blob's bytes, its entry in its subfolder, and the subfolder's own entry
/// are on the disk. Each was flushed by `fsync`, including the folders, because the `fsync` of a
/// file does not flush its directory entry (fsync(2), "Description"). [`FolderStore::open`] does
/// the same for the folders that it creates. The database commits afterwards, so a row that is on
/// the disk has its blob on the disk.
///
/// | a process is killed, or the power fails | afterwards |
/// |---|---|
/// | before the body is kept | nothing is left: the file has no name |
/// | between keeping and the commit | a blob without a row is left, and is swept |
/// | after an abort, before the next attempt | the same |
/// | during the commit | depends on the database: a blob with its row, or a blob that is swept |
/// | between the commit and a removal | the blob that no row names any more is left, and is swept |
///
/// Removals are not flushed to the disk. A removed file may reappear after a power failure, but no
/// row names it.
///
/// # The sweep
///
/// [`FolderStore::sweep`] removes a blob only if the database does not name it and the lock of its
/// writer is free. Nothing is added to such a subfolder any more, so a blob that no row names now
/// will not be named later. The system releases the lock when the process ends, however it ends. A
/// transaction keeps its writer, and so the lock, until it has ended, even if all handles are
/// dropped before.
///
/// A free lock shows that the writer has ended, but not that its last commit has. An embedded
/// database such as SQLite ends with its process. A database server may still finish a commit that
/// it received before, so sweep after it has ended the sessions of that process.
///
/// # Several processes
///
/// Several processes may keep, read, remove and sweep blobs at the same time. Processes that share
/// a folder must also share the database, because the sweep of one asks it about the blobs of all.
/// A process that forks without `exec` shares its lock with the child, and the lock is held until
/// both have ended (flock(2)).
///
/// Nothing else may write to the folder, and nothing at all may change a blob in place, because its
/// bytes are sent from a memory map of the file ([`Blob::stable`]). The folder contains uploads, so
/// its mode should give access only to the program, and to the proxy that blobs are offloaded to.
///
/// # File systems
///
/// * **Locks** are those of [`File::try_lock`], which is flock(2) on Linux. Local file systems
///   support them. NFS supports them between machines since Linux 2.6.12, unless it is mounted with
///   `nolock` or `local_lock`. An NFS client that is cut off loses its locks, and another one may
///   then sweep blobs that it is about to name. Share a folder only within one machine.
/// * **Links**: on file systems without them (FAT), between file systems (`EXDEV`) and on other
///   systems than Linux, bodies are copied when they are kept, while the worker waits. On Btrfs and
///   XFS the copy shares its blocks with the original. A file that has lost its last name cannot be
///   linked again (linkat(2), `ENOENT`). The name that an abort takes back therefore stays until
///   the next attempt has linked the body, or the body is dropped. See [`SpooledBody::take_back`].
/// * **Unlinked files** must stay readable while they are open, as POSIX requires (unlink(2)), so
///   that a running download of a removed blob is completed. NFS guarantees this only within one
///   machine.
///
/// # Errors
///
/// The errors are those of the file system, as `io::Error`. If the disk is full (`StorageFull`,
/// `QuotaExceeded`), a transaction ends with the code
/// [`STORAGE_FULL`](euryale_core::error::STORAGE_FULL); if no descriptor is left, with
/// [`NO_DESCRIPTOR`](euryale_core::error::NO_DESCRIPTOR).
#[derive(Clone)]
#[doc(alias = "FilesystemHelper")]
pub struct FolderStore {
    folder: Arc<Path>,
    descriptors: Option<Descriptors>,
    /// The writer, once it has added a blob.
    writer: Arc<Mutex<Option<Writer>>>,
    /// The mark that the folder must have before anything is added.
    mark: Arc<OnceLock<String>>,
    book: Arc<StoreBook>,
}

impl FolderStore {
    /// Opens a store in `folder`, which is created with its parents if it does not exist.
    ///
    /// Each opened store is a separate writer; its clones are the same writer.
    ///
    /// # Errors
    /// The folder does not exist and cannot be created.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        make(&folder)?;
        Ok(Self {
            folder: folder.into(),
            descriptors: None,
            writer: Arc::default(),
            mark: Arc::default(),
            book: Arc::default(),
        })
    }

    /// Counts in this ledger. Default: one of its own.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what counts takes its ledger by value, here as everywhere"
    )]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.book = ledger.of();
        self
    }

    /// Returns the mark that [`adopt`](Self::adopt) wrote into the folder, if there is one.
    ///
    /// An empty folder may be new, or the mount point of a volume that is not mounted. A program
    /// can tell the two apart if its database records that it has adopted a folder: it then refuses
    /// to start when the mark is missing, and never adopts a second folder.
    ///
    /// # Errors
    /// The folder cannot be read. A missing folder has no mark.
    pub fn mark(&self) -> io::Result<Option<String>> {
        mark::read(&self.folder)
    }

    /// Returns whether the folder is unused: it has no mark, no blob and no other file. A mark that
    /// a crash has left unfinished does not count.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn is_unused(&self) -> io::Result<bool> {
        mark::is_alone(&self.folder)
    }

    /// Marks the folder as belonging to one database. `mark` is a name of that database, in one
    /// line. The mark is on the disk when this returns.
    ///
    /// From then on this store and its clones add their first blob only if the mark is present: see
    /// [`check`](Self::check). A folder is adopted once; a second mark is an error.
    ///
    /// # Errors
    /// `AlreadyExists` if the folder has another mark. Any other error if the mark cannot be
    /// written.
    pub fn adopt(&self, mark: &str) -> io::Result<()> {
        match self.mark()? {
            Some(there) if there == mark => {}
            Some(_) => {
                let text = "the folder of blobs is marked as another database's";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            None => mark::write(&self.folder, mark)?,
        }
        let expected = self.mark.get_or_init(|| mark.to_owned());
        if expected == mark {
            return Ok(());
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Checks that the folder is still the one that was [adopted](Self::adopt). That fails if a
    /// volume was unmounted and its empty mount point is found instead. Blocks on the file system.
    ///
    /// A store checks this itself before it creates its first file. A store that was never adopted
    /// accepts any folder.
    ///
    /// # Errors
    /// `NotFound`, with a message that names the folder and says what to do, if the mark is
    /// missing. Any other error if the folder cannot be read.
    pub fn check(&self) -> io::Result<()> {
        let Some(expected) = self.mark.get() else {
            return Ok(());
        };
        if self.mark()?.as_ref() == Some(expected) {
            return Ok(());
        }
        let text = format!(
            "the blobs are not in {}; mount their volume, or restore them from a backup",
            self.folder.display()
        );
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }

    /// Takes a descriptor from this budget for each blob that is opened. If none is left, opening
    /// fails. If a publisher returns that error, the client gets a 503 and the transaction is
    /// rolled back. Default: only the system's limit applies.
    #[must_use]
    pub fn descriptors(mut self, descriptors: &Descriptors) -> Self {
        self.descriptors = Some(descriptors.clone());
        self
    }

    /// Returns the path of the folder. An unnamed file that is created here can be linked into
    /// place. A committed blob is at `folder().join(name)`, which is its `BlobPath` for
    /// `OffloadLayer` of `euryale-blob`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates a file outside any transaction, to be filled before a row names it. This is meant
    /// for imports.
    ///
    /// Before the commit, sync the file by [`File::sync_all`] and its name by
    /// [`FolderStore::sync`]. After that the file must not be written to, because it is sent from
    /// its place. Keep the store until the commit, or the sweep of another process may remove the
    /// file as a leftover.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(&self) -> io::Result<(String, File)> {
        let name = self.new_name()?;
        let file = File::create_new(self.folder.join(&name))?;
        Ok((name, file))
    }

    /// Flushes the names of all files that this writer [created](FolderStore::create) to disk.
    ///
    /// # Errors
    /// If `fsync` fails, no row may name the files.
    pub fn sync(&self) -> io::Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer
            .as_ref()
            .map_or(Ok(()), |writer| writer.sync(&self.folder))
    }

    /// Removes a blob that no row names, outside any transaction. The blob was
    /// [created](FolderStore::create) here, or has been replaced by another one in a committed
    /// transaction.
    ///
    /// # Errors
    /// `NotFound` if there is no such blob. After any other error the blob stays, without a row,
    /// until a sweep.
    pub fn discard(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)?)
    }

    /// Removes the blobs of ended writers that `named` does not return, and returns their number.
    ///
    /// `named` gets up to 1,000 names at a time, and returns those that committed rows have, in any
    /// table that may name blobs. Its answers must not be older than the call. The sweep blocks, so
    /// run it at the start, before anything is served, or in a worker.
    ///
    /// # Errors
    /// Those of `named` and of the file system. The sweep ends with the first error; the blobs that
    /// it has removed until then were rightly removed.
    pub fn sweep(
        &self,
        named: impl FnMut(&[String]) -> Result<HashSet<String>, BoxError>,
    ) -> Result<u64, BoxError> {
        mark::sweep(&self.folder)?;
        sweep::sweep(&self.folder, named)
    }

    fn new_name(&self) -> io::Result<String> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &mut *writer {
            Some(writer) => writer,
            none => {
                self.check()?;
                none.insert(Writer::begin(&self.folder)?)
            }
        };
        Ok(writer.new_name())
    }

    /// Returns the path of the blob `name`. A text that is not the name of a blob has no path, so
    /// no name leads out of the folder.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let is_blob = name
            .split_once('/')
            .is_some_and(|(folder, file)| writer::is_folder(folder) && writer::is_blob(file));
        is_blob
            .then(|| self.folder.join(name))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl BlobStore for FolderStore {
    fn blob(&self, name: &str) -> io::Result<Blob> {
        let path = self.path(name)?;
        let descriptor = self.descriptors.as_ref().map(|all| all.take(1));
        let descriptor = descriptor.transpose()?;
        let blob = stable(File::open(path)?)?;
        Ok(match descriptor {
            Some(descriptor) => blob.counted(descriptor),
            None => blob,
        })
    }

    fn blob_of_len(&self, name: &str, len: u64) -> io::Result<Blob> {
        let blob = self.blob(name)?;
        let path = self.folder.join(name);
        WrongLength::check(&path.display(), &blob, len)
            .inspect_err(|_| self.book.damaged.add(1))?;
        Ok(blob)
    }

    fn keep<D: Database>(
        &self,
        body: SpooledBody,
        transaction: &mut Transaction<'_, D>,
    ) -> io::Result<String> {
        let name = self.new_name()?;
        let path = self.folder.join(&name);
        body.persist(&path)?;
        transaction.join(Keep::new(body, path, self.clone()));
        Ok(name)
    }

    fn remove<D: Database>(&self, name: &str, transaction: &mut Transaction<'_, D>) {
        if let Ok(path) = self.path(name) {
            transaction.join(Remove(path));
        }
    }
}

impl fmt::Debug for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderStore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

#[expect(unsafe_code, reason = "the store knows who writes to its folder")]
fn stable(file: File) -> io::Result<Blob> {
    // SAFETY: the file is never changed in place, for these reasons.
    // * This descriptor can only read.
    // * A kept body gets its name once it is complete. The descriptor that wrote it is closed by
    //   then, or belongs to a body made from a file of the caller, whose documentation forbids
    //   further writes (`SpooledBody::file`).
    // * `FolderStore::create` returns a file for an import. Its documentation forbids writes once a
    //   row may name the file.
    // * The mode of the folder limits writes to processes of this program, which only add files of
    //   their own ("Several processes" above). A proxy only reads. An operator with the rights of
    //   this user could edit a blob in place, just like the files of a database; the documentation
    //   forbids it.
    unsafe { Blob::stable(file) }
}

/// Creates the folder and its parents, and flushes their new entries to the disk.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make(parent)?;
    }
    match fs::create_dir(folder) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
