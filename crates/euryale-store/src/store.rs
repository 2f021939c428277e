//! Where blobs are kept, so that a row always has its blob.
//!
//! A blob exists before the row that names it is committed, and is removed after the row is gone.
//! So a crash can only leave the harmless half: a blob that no row names, which is swept later.

use std::error::Error;
use std::fmt;
use std::io;

use euryale_core::body::SpooledBody;
use euryale_core::{Blob, Database, Transaction};

/// Keeps blobs under names, together with the transactions of a database that knows the names.
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
/// never used twice, and its blob never changes: other content has another name. So a name is a
/// strong `ETag` (RFC 9110 §8.8.1). A publisher that sends it sets the header itself, with the name
/// in quotes; without it, `ServeBlobLayer` makes a tag of the file's length and time.
///
/// One row names a blob. It is written in the transaction that keeps the blob, and a transaction
/// that takes it away, or lets it name another blob, [removes](BlobStore::remove) this one.
///
/// # What an implementation does
///
/// It joins transactions with [`Participant`](euryale_core::transaction::Participant)s, which learn
/// how they end:
///
/// | | keep | remove |
/// |---|---|---|
/// | `vote` | the blob is durable under its name when this says yes, if it was not before | nothing |
/// | `finish` | nothing | the blob is removed, unless it is gone already |
/// | `abort` | the blob, if there is one, is removed, with its body at the latest | nothing |
/// | `in_doubt` | the blob stays: a row may name it | the blob stays: the row may still exist |
///
/// A crash, a transaction in doubt, or a failed `abort` or `finish` leaves a blob without a row.
/// The implementation has to find those by asking the database, and to offer whatever fills it
/// outside transactions.
///
/// A [`Blob`] is an open file. A store whose bytes are on another machine opens a copy that it has
/// on a disk here; to fetch one first holds a worker and a connection for as long.
#[doc(alias = "IBlobStorage")]
pub trait BlobStore: Send + Sync + 'static {
    /// Opens the blob called `name`. It can be read to its end, even if it is removed in between.
    ///
    /// # Errors
    /// `NotFound` if there is none. A reader whose snapshot is older than a removal sees this, too:
    /// it still has the row, and another attempt sees that it is gone. Otherwise the error that
    /// kept the store from opening it.
    fn blob(&self, name: &str) -> io::Result<Blob>;

    /// Opens the blob called `name`, if it has the `len` bytes that its row says.
    ///
    /// A backup that was cut off, or a disk that lost the end of a file, leaves a shorter file
    /// under a name that is a strong `ETag`. A client would take it for the whole, and a cache
    /// would combine it with parts of the right file. A program that keeps the length in the row
    /// opens blobs by this method.
    ///
    /// # Errors
    /// Those of [`blob`](Self::blob). [`WrongLength`], as `InvalidData`, for a file of another
    /// length: returned by a publisher, that is a 500, and the line in the log names the file and
    /// what to do. [`FolderStore`](crate::FolderStore) counts it.
    fn blob_of_len(&self, name: &str, len: u64) -> io::Result<Blob> {
        let blob = self.blob(name)?;
        WrongLength::check(&name, &blob, len)?;
        Ok(blob)
    }

    /// Keeps `body` if `transaction` commits. Returns the name to write into a row.
    ///
    /// The bytes are durable when this returns, or at the vote. Call it before the first
    /// [`connection`](Transaction::connection): bytes take their time to reach a disk, and a writer
    /// that waits for them lets all other writers of its database wait, too. A transaction that is
    /// run again gets another name.
    ///
    /// # Errors
    /// The bytes cannot be kept. If there is no room, and a publisher returns the error, it has the
    /// code [`STORAGE_FULL`](euryale_core::error::STORAGE_FULL).
    fn keep<D: Database>(
        &self,
        body: SpooledBody,
        transaction: &mut Transaction<'_, D>,
    ) -> io::Result<String>;

    /// Removes the blob called `name` once `transaction` has committed.
    ///
    /// A name without a blob is not an error. A failed removal cannot undo the commit: the
    /// transaction logs and counts it, and the blob stays without a row.
    fn remove<D: Database>(&self, name: &str, transaction: &mut Transaction<'_, D>);
}

/// A blob is not as long as its row says: it was damaged, or restored in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongLength {
    place: String,
    found: u64,
    expected: u64,
}

impl WrongLength {
    /// `place` tells an operator which file to restore.
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

    /// The length of the file, in bytes.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// The length that the row says, in bytes.
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
