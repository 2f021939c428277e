//! Sends open files with `sendfile(2)` from stock hyper.
//!
//! It works at the socket, outside the onion. It holds no worker and no connection, and a runtime
//! thread never waits for a disk.
//!
//! hyper writes the chunks of a body with `writev`, directly from its `Bytes`. So [`arm`] makes the
//! body of a blob yield `Bytes` in a read-only memory map of the file, which nobody reads. The
//! socket that hyper writes to, a [`SendfileIo`], finds their addresses in its [`Windows`] and
//! calls `sendfile` with the file instead. If a layer copies or reads a chunk, it still sees the
//! right bytes, so the response is correct either way.
//!
//! # Example
//!
//! An axum router, with the feature `axum`. `euryale-server` needs no such call.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # mod example {
//! use euryale_sendfile::axum::{SendfileListener, sendfile};
//! use euryale_store::{BlobStore, FolderStore};
//! use tokio::net::TcpListener;
//!
//! # async fn run(store: FolderStore, name: &str) -> std::io::Result<()> {
//! let blob = store.blob(name)?; // a response, with the feature `axum` of `euryale-core`
//! let app = axum::Router::new().route("/", axum::routing::get(async move || blob.clone()));
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! axum::serve(SendfileListener::new(listener), sendfile(app)).await
//! # }
//! # }
//! ```
//!
//! # Which files are sent this way?
//!
//! The whole of a blob, or one range of it, over plain HTTP/1, if nothing has changed the body on
//! its way:
//!
//! * The blob is [stable](euryale_core::Blob::stable): nobody changes the file in place. Others are
//!   read.
//! * The body is as long as the blob, and has no other `Content-Encoding` than the file itself.
//! * The file can be mapped. Otherwise it is read, and the ledger counts it as read.
//!
//! Of these, one of at most 24 KiB that is in memory is read and written together with its head,
//! which costs half as much as a map and `sendfile(2)`.
//!
//! A file that `sendfile(2)` refuses is written from its map. With TLS, with HTTP/2, and on systems
//! other than Linux, files are read and written like all other bodies.
//!
//! # Cancellation
//!
//! The map of a file is removed when the last of its bytes is dropped, with the response or the
//! socket.
//!
//! # Backpressure
//!
//! The socket takes as much of a file as the peer reads, 1 MiB at a time, and then lets other tasks
//! run. At most 16 chunks are read from disks at a time, for all sockets of the process, on threads
//! that are [declared](declare_threads) in the ledger.
//!
//! The kernel holds at most 256 KiB of unsent bytes for a peer ([`limit_unsent`]), except at 32
//! sockets of a server at a time. There a file may first fill 4 MiB, and after the peer has shown
//! four times in a row that it empties a full socket within 2 ms, as much as the kernel likes. A
//! peer that takes longer than 50 ms is slow again. A flush waits until the kernel has so little
//! that other bytes than those of the file may follow, and until then the socket keeps its place
//! among the 32. If it is dropped before, its unsent bytes are discarded.
//!
//! # Errors
//!
//! If a file has become shorter, the connection ends without a proper end of the body.
//!
//! # Panics
//!
//! None of its own. The runtime needs its timers
//! ([`enable_time`](tokio::runtime::Builder::enable_time)).
//!
//! # What does it replace?
//!
//! It replaces, from Zope: `filestream_iterator`, which a thread of Medusa read block by block.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod book;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(test, feature = "axum", target_os = "linux"))]
mod tests;

pub use self::book::{SendfileBook, SendfileCounts};
#[cfg(not(target_os = "linux"))]
pub use self::elsewhere::{SendfileIo, Windows, arm, declare_threads, limit_unsent};
#[cfg(target_os = "linux")]
pub use self::linux::{SendfileIo, Windows, arm, declare_threads, limit_unsent};
