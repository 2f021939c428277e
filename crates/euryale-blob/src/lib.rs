//! Serves open files.

mod answer;
mod asked;
mod body;
mod buffers;
mod conditions;
mod disposition;
mod folder;
mod future;
mod layer;
mod offload;
mod range;
mod read;
mod service;
#[cfg(test)]
mod tests;
mod validators;

pub use self::disposition::ContentDisposition;
pub use self::folder::{FolderFuture, NotFound, ServeFolder};
pub use self::future::ServeBlobFuture;
pub use self::layer::ServeBlobLayer;
pub use self::offload::{BlobPath, NoOffload, Offload, OffloadFuture, OffloadLayer, OffloadTo};
pub use self::service::ServeBlob;
