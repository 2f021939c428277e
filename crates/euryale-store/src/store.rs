//! The store of blobs: a row always has its blob.
//!
//! A blob exists before the row that names it is committed, and is removed after the row is gone. A
//! crash can therefore only leave a blob that no row names, which is harmless and swept later.

use std::error::Error;
use std::fmt;
use std::io;

use euryale_core::body::SpooledBody;
use euryale_core::{Blob, Database, Transaction};

/// Keeps blobs under names, together with the transactions of a database whose rows contain the
/// names.
///
/// [`FolderStore`](crate::FolderStore) keeps them in a folder. All methods are called in a worker,
/// and may block.
///
/// ```
/// use euryale_store::BlobStore;
/// use euryale_core::body::SpooledBody;
/// use euryale_core::{Abort, Database, Request, Transaction};
///
/// /// Keeps the body of a request; the caller writes the name into a row, in the same transaction.
/// fn upload<D: Database>(
///     store: &impl BlobStore,
///     request: &Request,
///     transaction: &mut Transaction<'_, D>,
/// ) -> Result<String, Abort> {
///     Ok(store.keep(request.body().clone(), transaction)?)
/// }
/// ```
///
/// # Names
///
/// A store chooses the names. Treat them as opaque, and write them into a row unchanged. A name is
/// never used twice, and its blob never changes: different content has a different name. So a name
/// is a strong `ETag` (RFC 9110 §8.8.1). To send it, a publisher sets the header itself, with the
/// name in quotes; otherwise `ServeBlobLayer` makes a tag from the file's length and time.
///
/// Each blob is named by one row, which is written in the transaction that keeps the blob. A
/// transaction that deletes the row, or changes it to name another blob,
/// [removes](BlobStore::remove) the blob.
///
/// # What must an implementation do?
///
/// It joins transactions with [`Participant`](euryale_core::transaction::Participant)s, which learn
/// how they end:
///
/// | | keep | remove |
/// |---|---|---|
/// | `vote` | makes the blob durable under its name, if it is not yet, before it votes yes | nothing |
/// | `finish` | nothing | removes the blob, unless it is already gone |
/// | `abort` | removes the blob, if there is one, at the latest when its body is dropped | nothing |
/// | `in_doubt` | keeps the blob: a row may name it | keeps the blob: the row may still exist |
///
/// A crash, a transaction in doubt, or a failed `abort` or `finish` leaves a blob without a row.
/// The implementation has to find such blobs by asking the database, and to offer a way of adding
/// blobs outside transactions.
///
/// A [`Blob`] is an open file. A store whose bytes are on another machine opens a local copy.
/// Fetching one first would hold a worker and a connection for that time.
#[doc(alias = "IBlobStorage")]
pub trait BlobStore: Send + Sync + 'static {
    /// Opens the blob called `name`. It can be read to its end even if it is removed while it is
    /// being read.
    ///
    /// # Errors
    /// `NotFound` if there is no such blob. This also happens to a reader whose snapshot is older
    /// than a removal: it still sees the row, and another attempt sees that it is gone. Otherwise
    /// the error of opening the blob.
    fn blob(&self, name: &str) -> io::Result<Blob>;

    /// Opens the blob called `name`, and checks that it has the `len` bytes recorded in its row.
    ///
    /// A truncated backup, or a disk that lost the end of a file, leaves a shorter file under a
    /// name that is a strong `ETag`. A client would take it for the whole file, and a cache would
    /// combine it with parts of the right file. Programs that keep the length in the row should
    /// open blobs by this method.
    ///
    /// # Errors
    /// Those of [`blob`](Self::blob). [`WrongLength`], as `InvalidData`, for a file of another
    /// length: if a publisher returns it, the answer is 500, and the log names the file and says
    /// what to do. [`FolderStore`](crate::FolderStore) counts it.
    fn blob_of_len(&self, name: &str, len: u64) -> io::Result<Blob> {
        let blob = self.blob(name)?;
        WrongLength::check(&name, &blob, len)?;
        Ok(blob)
    }

    /// Stores `body` as a blob if `transaction` commits. Returns the name to write into a row.
    ///
    /// The bytes are durable when this returns, or at the vote. Call it before the first
    /// [`connection`](Transaction::connection): flushing the bytes to a disk takes time, and a
    /// writer that waits for it makes all other writers of its database wait. A transaction that is
    /// run again gets another name.
    ///
    /// # Errors
    /// The bytes cannot be stored. If the disk is full and a publisher returns the error, it has
    /// the code [`STORAGE_FULL`](euryale_core::error::STORAGE_FULL).
    fn keep<D: Database>(
        &self,
        body: SpooledBody,
        transaction: &mut Transaction<'_, D>,
    ) -> io::Result<String>;

    /// Removes the blob called `name` once `transaction` has committed.
    ///
    /// A name without a blob is not an error. A failed removal cannot undo the commit: it is logged
    /// and counted, and the blob stays without a row.
    fn remove<D: Database>(&self, name: &str, transaction: &mut Transaction<'_, D>);
}

/// The length of a blob differs from the length in its row: it was damaged, or restored in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongLength {
    place: String,
    found: u64,
    expected: u64,
}

impl WrongLength {
    /// Checks the length of a blob. `place` tells an operator which file to restore.
    pub(crate) fn check(place: &dyn fmt::Display, blob: &Blob, expected: u64) -> Result<(), Self> {
        let found = blob.len();
        if found == expected {
            return Ok(());
        }
        Err(Self {
            place: place.to_string(),
            found,
            expected,
        })
    }

    /// Returns the length of the file, in bytes.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Returns the length in the row, in bytes.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            found,
            expected,
        } = self;
        write!(
            f,
            "the blob {place} has {found} bytes and its row says {expected}; restore it from a \
                backup"
        )
    }
}

impl Error for WrongLength {}

impl From<WrongLength> for io::Error {
    fn from(error: WrongLength) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
