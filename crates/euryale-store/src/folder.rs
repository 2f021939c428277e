//! Blobs as files of a folder.

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
/// Bodies that are spooled on the same file system are linked into place: no byte is copied. So let
/// the spool use [the folder itself](FolderStore::folder) as its directory. Other bodies are
/// written when they are kept.
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
/// # In the folder
///
/// Each *writer*, a handle with its clones that adds blobs, has a folder of its own there, with a
/// random name, made when it adds the first one. In it are its blobs, numbered, and the file
/// `lock`, which it holds a lock on. The name of a blob is `folder/number`. The file `owner` is the
/// [mark](FolderStore::adopt) of a folder that was adopted. Anything else in the folder is left
/// alone.
///
/// # Crash consistency
///
/// When a body is kept, the bytes, the blob's entry in its folder and that folder's own entry are
/// on the disk: each was brought there by `fsync`, the folders' as well, because that of a file
/// does not bring its entry along (fsync(2), "Description"). [`FolderStore::open`] does the same
/// for the folders that it makes. Then the database commits; so a row that is on the disk has its
/// blob there.
///
/// | a process is killed, or the power fails | what is left |
/// |---|---|
/// | before it is kept | nothing: the file has no name |
/// | between that and the commit | a blob without a row: swept |
/// | after an abort, before the next attempt | the same |
/// | in the commit | what the database says: a blob with its row, or one that is swept |
/// | between commit and removal | the blob that the row does not name any more: swept |
///
/// A removal is not brought to the disk. A file that is back after the power failed is without a
/// row again.
///
/// # The sweep
///
/// [`FolderStore::sweep`] removes a blob only if both hold: the database does not name it, and the
/// lock of its writer is free. Nothing is added to such a folder any more, so what no row names
/// now, no row will. The system frees the lock when the process ends, however it ends. A
/// transaction holds the writer, and so the lock, until it is over, even if all handles are dropped
/// before.
///
/// The lock says that the writer has ended, not that its last commit has. A database in the same
/// machine's files ends with its process, as SQLite does. A server may still finish a commit that
/// it was sent before: sweep when it has ended the sessions of that process.
///
/// # Several processes
///
/// They may keep, read, remove and sweep at the same time. Those that share a folder must share the
/// database, too: the sweep of one asks it about the blobs of all. A process that forks without
/// `exec` shares its lock with the child, which holds it until both have ended (flock(2)).
///
/// Nobody else writes to the folder, and nobody at all changes a blob in place: its bytes are sent
/// from a map of the file ([`Blob::stable`]). The folder holds whatever was uploaded: its mode
/// should let in the program, and the proxy that blobs are offloaded to.
///
/// # File systems
///
/// * **Locks** are those of [`File::try_lock`], flock(2) on Linux. A local file system has them.
///   NFS has them between machines since Linux 2.6.12, unless it is mounted with `nolock` or
///   `local_lock`; a client that is cut off loses them, and another one may then sweep what it is
///   about to name. Share a folder within one machine.
/// * **Links**: without them (FAT), between file systems (`EXDEV`) and on other systems than Linux,
///   bodies are copied when they are kept, while the worker waits; Btrfs and XFS share their
///   blocks. A file that has lost its last name cannot be linked again (linkat(2), `ENOENT`), so
///   the name that an abort takes back stays until the next attempt has linked the body, or the
///   body is dropped. See [`SpooledBody::take_back`].
/// * **Unlinked files** must stay readable while they are open, as POSIX has it (unlink(2)): who
///   downloads a blob that is removed gets all of it. NFS keeps this within one machine only.
///
/// # Errors
///
/// The file system's, as `io::Error`. No room on the disk (`StorageFull`, `QuotaExceeded`) makes a
/// transaction end with the code [`STORAGE_FULL`](euryale_core::error::STORAGE_FULL), and no
/// descriptor with [`NO_DESCRIPTOR`](euryale_core::error::NO_DESCRIPTOR).
#[derive(Clone)]
#[doc(alias = "FilesystemHelper")]
pub struct FolderStore {
    folder: Arc<Path>,
    descriptors: Option<Descriptors>,
    /// Once it has added something.
    writer: Arc<Mutex<Option<Writer>>>,
    /// The mark that the folder must have for anything to be added.
    mark: Arc<OnceLock<String>>,
    book: Arc<StoreBook>,
}

impl FolderStore {
    /// A store in `folder`, which is created with its parents if it does not exist.
    ///
    /// Each opened store is a writer of its own; clones are the same writer.
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

    /// The mark that [`adopt`](Self::adopt) wrote into the folder, if there is one.
    ///
    /// An empty folder looks the same whether it is new or the mount point of a volume that is not
    /// there. A program whose database remembers that it has adopted a folder tells them apart: it
    /// refuses to start when the mark is missing, and never adopts a second folder.
    ///
    /// # Errors
    /// The folder cannot be read. A missing folder has no mark.
    pub fn mark(&self) -> io::Result<Option<String>> {
        mark::read(&self.folder)
    }

    /// Returns whether the folder is as good as new: it has no mark, no blob and no other file. A
    /// mark that a crash has left unfinished does not count.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn is_unused(&self) -> io::Result<bool> {
        mark::is_alone(&self.folder)
    }

    /// Marks the folder as belonging to one database, whose name `mark` is, in one line. The mark
    /// is on the disk when this returns.
    ///
    /// From then on this store and its clones begin to add blobs only while the mark is there: see
    /// [`check`](Self::check). A store is adopted once; a second mark is an error.
    ///
    /// # Errors
    /// `AlreadyExists` when the folder has another mark. When the mark cannot be written.
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

    /// Checks that the folder is still the one that was [adopted](Self::adopt). It is not if a
    /// volume was unmounted, and the mount point has taken its place. Blocks for as long as the
    /// file system does.
    ///
    /// A store checks this itself before it creates its first file. A store that was never adopted
    /// accepts any folder.
    ///
    /// # Errors
    /// `NotFound`, with a sentence that names the folder and what to do. Any other error if the
    /// folder cannot be read.
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

    /// Takes a descriptor of this budget for each blob that is opened, and refuses to open one
    /// more. A publisher that hands that error on is answered 503, and its transaction is rolled
    /// back. Default: there is no bound but the system's.
    #[must_use]
    pub fn descriptors(mut self, descriptors: &Descriptors) -> Self {
        self.descriptors = Some(descriptors.clone());
        self
    }

    /// The path of the folder. An unnamed file that is created here can be linked into place. A
    /// committed blob is at `folder().join(name)`, which is its `BlobPath` for `OffloadLayer` of
    /// `euryale-blob`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates a file outside any transaction, to be filled before a row names it: for an import.
    ///
    /// Before the commit the file must be synced, by [`File::sync_all`], and its name, by
    /// [`FolderStore::sync`]. From then on nobody may write to the file, which is sent from where
    /// it is. Keep the store until then, or other processes take the file for a leftover.
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
    /// When `fsync` fails: then no row may name them.
    pub fn sync(&self) -> io::Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer
            .as_ref()
            .map_or(Ok(()), |writer| writer.sync(&self.folder))
    }

    /// Removes a blob that no row names, outside of any transaction: one that was
    /// [created](FolderStore::create), or that another one has replaced in a transaction that has
    /// committed.
    ///
    /// # Errors
    /// `NotFound` when there is none. Otherwise it stays, without a row, until a sweep.
    pub fn discard(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)?)
    }

    /// Removes the blobs of ended writers that `named` does not return, and returns their number.
    ///
    /// `named` asks the database which of these names, up to 1,000 at a time, committed rows have,
    /// in every table that may have one. Its answers must not be older than the call. It blocks, so
    /// call it at the start, before anything is served, or in a worker.
    ///
    /// # Errors
    /// Those of `named` and of the file system. The sweep ends with the first one; everything
    /// removed until then was right to remove.
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

    /// The path of `name`. A text that is not the name of a blob has no path, so nothing leads out
    /// of the folder.
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
    // SAFETY: nobody changes the file in place.
    // * This descriptor can only read.
    // * A kept body gets its name once it is complete. The descriptor that wrote it is closed by
    //   then, or is in a body of a file of the caller's, whose documentation forbids to write
    //   (`SpooledBody::file`).
    // * `FolderStore::create` gives a file to an import, whose documentation forbids to write to it
    //   once a row may name it.
    // * The mode of the folder says who else may write to it: other processes of this program,
    //   which only add files of their own, and nobody else ("Several processes" above). A proxy
    //   reads. An operator with the rights of this user can edit a blob in place, as one can with
    //   the files of a database, and the documentation forbids it.
    unsafe { Blob::stable(file) }
}

/// Creates the folder and its parents; the entries of new ones are on the disk.
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
