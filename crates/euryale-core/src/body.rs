//! Bodies of requests and responses, and what they are made of.
//!
//! A request's body is a [`SpooledBody`], which is complete. A response's is a [`Body`]: bytes, an
//! open file ([`Blob`]), a response still being computed ([`Deferred`]), or the output of
//! synchronous code, which writes after its transaction ([`BodyWriter`]) or in it
//! ([`EarlyAnswer`]). Layers find these by their handles in the response's extensions. The files
//! that requests have open come from one budget ([`Descriptors`]).

mod announced;
mod blob;
mod deferred;
mod descriptors;
mod early;
mod fall_back;
mod framing;
mod handle;
mod response;
mod spooled;
mod window;
mod writer;

#[cfg(feature = "fs")]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
pub use self::blob::UnnamedFile;
pub use self::blob::{Blob, BlobChunks, BlobHandle, BlobParts, ReadBlob};
pub use self::deferred::{Deferred, DeferredHandle};
pub use self::descriptors::{Descriptor, Descriptors, NoDescriptor, Reserve};
#[cfg(feature = "fs")]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
pub use self::early::SpillBudget;
pub use self::early::{
    Early, EarlyAnswer, EarlyAnswers, EarlyFuture, EarlyRecord, HandOver, JobDone, SpillFile,
    SpillStore,
};
pub use self::framing::own_framing;
pub(crate) use self::handle::TakeOnce;
pub use self::response::Body;
pub use self::spooled::SpooledBody;
pub use self::writer::{BodyWriter, IntoChunk, WriterHandle};
