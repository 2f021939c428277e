//! Where blobs are kept, so that a row always has its blob.
//!
//! A blob is there before the row that names it is committed, and goes after the row is gone. Of
//! the two halves that a crash can leave, only the harmless one is possible: a blob that no row
//! names, which is swept away later.

mod folder;
mod participants;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::io;

use euryale_core::{Blob, Database, SpooledBody, Transaction};

pub use self::folder::FolderStore;

/// Keeps blobs under names, together with the transactions of a database that knows the names.
///
/// [`FolderStore`] keeps them in a folder. All methods are called in a worker, and may block.
///
/// ```
/// use euryale_blob::BlobStore;
/// use euryale_core::{Abort, Database, Request, SpooledBody, Transaction};
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
/// A store chooses the names. To others they are opaque, and go into a row as they are. A name is
/// never given twice, and what it names never changes: other content has another name. So a name is
/// a strong `ETag` (RFC 9110 §8.8.1).
///
/// One row names a blob. It is written in the transaction that keeps the blob, and a transaction
/// that takes it away, or lets it name another blob, [removes](BlobStore::remove) this one.
///
/// # What an implementation does
///
/// It joins transactions with [`Participant`](euryale_core::Participant)s, which are told what
/// becomes of them:
///
/// | | keep | remove |
/// |---|---|---|
/// | `vote` | the blob is durable under its name when this says yes, if it was not before | nothing |
/// | `finish` | nothing | the blob goes; if it is gone already, that is well |
/// | `abort` | the blob goes, if there is one: with its body at the latest | nothing |
/// | `in_doubt` | the blob stays: a row may name it | the blob stays: the row may stand |
///
/// What a crash leaves, or an end in doubt, or an `abort` or `finish` that failed, is a blob
/// without a row. Finding those, by asking the database, is the implementation's own business, as
/// is whatever fills it from outside of transactions.
///
/// A [`Blob`] is an open file. A store whose bytes are on another machine opens a copy that it has
/// on a disk here; to fetch one first holds a worker and a connection for as long.
#[doc(alias = "IBlobStorage")]
pub trait BlobStore: Send + Sync + 'static {
    /// The blob called `name`, open. It can be read to its end, also when it is removed meanwhile.
    ///
    /// # Errors
    /// `NotFound` when there is none. A reader whose snapshot is older than a removal sees this,
    /// too: its row still stands, and another attempt sees that it is gone. Otherwise what kept the
    /// store from opening it.
    fn blob(&self, name: &str) -> io::Result<Blob>;

    /// Keeps `body` if `transaction` commits. Gives the name that a row must hold then.
    ///
    /// The bytes are durable when this returns, or at the vote. Call it before the first
    /// [`connection`](Transaction::connection): bytes take their time to reach a disk, and a writer
    /// that waits for them lets all other writers of its database wait, too. A transaction that is
    /// run again is given another name.
    ///
    /// # Errors
    /// When no name can be given, or the bytes cannot be kept. Returned by a publisher, what says
    /// that there is no room is of the kind [`StorageFull`](euryale_core::ErrorKind::StorageFull).
    fn keep<D: Database>(
        &self,
        body: SpooledBody,
        transaction: &mut Transaction<'_, D>,
    ) -> io::Result<String>;

    /// Removes the blob called `name` once `transaction` has committed.
    ///
    /// A name that names no blob is no error. A removal that fails cannot undo anything any more:
    /// it is logged and counted by the transaction, and the blob stays without a row.
    fn remove<D: Database>(&self, name: &str, transaction: &mut Transaction<'_, D>);
}
