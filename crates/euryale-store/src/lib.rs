//! Blobs that are stored together with the transactions of a database.
//!
//! A [`BlobStore`] stores an upload under a name that you write into a row, in one transaction with
//! that row. So a row always has its blob, even after a crash. [`FolderStore`] does this in a
//! folder that several processes may share: a spooled file is linked into place without a copy.
//!
//! Its methods are called in a worker, inside the transaction, and may block. The bytes of a blob
//! are sent later, without a worker: a [`Blob`](euryale_core::Blob) is an open file, and
//! `euryale-blob` serves it. The store works without that layer, and the layer works without the
//! store.
//!
//! ```
//! use euryale_connection::Pool;
//! use euryale_core::Abort;
//! use euryale_core::body::SpooledBody;
//! use euryale_store::{BlobStore, FolderStore};
//! use euryale_test::CountingDatabase; // stands for your database
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), euryale_core::BoxError> {
//! # let data = tempfile::tempdir()?;
//! let store = FolderStore::open(data.path().join("blobs"))?;
//! let pool = Pool::new(CountingDatabase::new(), 2);
//! let upload = SpooledBody::from("Stheno, Euryale, Medusa");
//! let kept = store.clone();
//! let name = pool
//!     .transaction(move |transaction| {
//!         let name = kept.keep(upload.clone(), transaction)?;
//!         transaction.connection()?; // here, write the name into a row
//!         Ok::<_, Abort>(name)
//!     })
//!     .await?;
//! assert_eq!(store.blob(&name)?.len(), 23);
//! # Ok(())
//! # }
//! ```
//!
//! It replaces, from Zope: ZODB's folder of blobs.
//!
//! # Errors
//!
//! The errors are those of the file system, as [`io::Error`](std::io::Error). If the length of a
//! file differs from the length in its row, the error is a [`WrongLength`].
//!
//! # Panics
//!
//! None.

mod book;
mod folder;
mod mark;
mod participants;
mod removal;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

pub use self::book::StoreBook;
pub use self::folder::FolderStore;
pub use self::store::{BlobStore, WrongLength};
