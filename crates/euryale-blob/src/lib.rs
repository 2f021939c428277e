//! Open files: kept together with a transaction, and served with validators, ranges, folders and
//! offload to a proxy.
//!
//! A publisher answers with a [`Blob`](euryale_core::Blob), an open file, and is done: its worker
//! and its connection are free before the first byte leaves. [`ServeBlobLayer`] stands inside
//! `Respond` and outside everything that waits for a worker. It holds neither; what is not in
//! memory is read by a few blocking threads of its own.
//!
//! ```
//! use euryale_blob::ServeBlobLayer;
//! use euryale_core::{Blob, Body, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("ten");
//! std::fs::write(&path, "0123456789")?;
//! let service = ServiceBuilder::new().layer(ServeBlobLayer::new()).service(service_fn(
//!     async |_: http::Request<()>| {
//!         let file = std::fs::File::open(&path)?; // a publisher does this, in its worker
//!         Ok::<_, std::io::Error>(Response::new(Body::from(Blob::new(file)?)))
//!     },
//! ));
//! let request = http::Request::get("/").header("range", "bytes=-3").body(()).unwrap();
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), 206);
//! assert_eq!(response.headers()["content-range"], "bytes 7-9/10");
//! # Ok(())
//! # }
//! ```
//!
//! # What it answers
//!
//! It looks for the [`BlobHandle`](euryale_core::BlobHandle) in a response's extensions, so that
//! other middleware may stand between. It believes it only for a 200 without `Content-Encoding` and
//! `Content-Range`, whose body has exactly the blob's size; all else passes, and is only read by
//! its threads.
//!
//! | asked | answered | RFC 9110 |
//! |---|---|---|
//! | `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since` | 412 or 304, in this order | §13.2.2 |
//! | `Range` with `GET`, one part | 206, of a blob again | §14.2, §15.3.7.1 |
//! | several, at most 5 when those that overlap or touch are one | 206 `multipart/byteranges` | §15.3.7.2 |
//! | more, another unit, or anything malformed | 200: the field is ignored | §14.2 |
//! | nothing that is there | 416 with `Content-Range: bytes */N` | §15.5.17 |
//! | `If-Range` with anything but the strong tag or the very date | 200 | §13.1.5 |
//! | `HEAD` | the head of the 200; nothing is read | §9.3.2 |
//!
//! A file of no bytes is sent whole, whatever part is asked for. `Accept-Ranges: none` of a
//! publisher stands. 412 and 416 are `no-store`. Other methods than `GET` and `HEAD` are not looked
//! at.
//!
//! `ETag` and `Last-Modified` are the publisher's. Where it gave none, they are made of the file's
//! length and its time of change as `fstat` said it in the worker, and of its coding. A time that
//! is younger than 2 s makes a weak tag, since the file may change again and keep it (§8.8.1); a
//! time before 1980 is a placeholder of archivers and makes none.
//!
//! # Reading
//!
//! What is in the page cache is read where the body is polled, with `preadv2(RWF_NOWAIT)`, which
//! never waits for a disk. The rest, and all of it where the system has no such call, is read by at
//! most [`ServeBlobLayer::readers`] blocking threads, in the order of asking, which bring the
//! mebibyte behind it into the page cache as well. Nobody seeks: parts and requests share a
//! descriptor.
//!
//! Over HTTP/1, who sends what it gets is given 128 KiB at a time. There are 16 such buffers;
//! beside them a stalled peer holds at most two of 24 KiB. Over HTTP/2 a stream begins with 8 KiB,
//! and whenever all it was given is sent, it has the next of 16 other such buffers, if one is free;
//! one that stalls holds at most two of 8 KiB beside them, and one under `euryale-server`, which
//! asks for more only when what it has is written.
//!
//! # Beside compression
//!
//! A strong `ETag` names bytes, and tower-http's `CompressionLayer` leaves it on what it has
//! compressed. A client that was cut off in the midst of that asks for the rest with `Range` and
//! `If-Range`, gets a part of the file itself, and puts together what is neither. Several parts it
//! compresses, too, for their `Content-Range` stands inside. So leave files as they are, by
//! [`may_compress`].
//!
//! It also turns the answer into a 406 when a client forbids an uncoded one and wants no coding
//! that there is, after the service inside has done what was asked. [`accept_identity`] prevents
//! that, and [`vary_by_coding`] completes a 304:
//!
//! ```
//! use euryale_blob::{ServeBlobLayer, accept_identity, may_compress, vary_by_coding};
//! # use euryale_core::{Blob, Body, Response};
//! # use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_http::compression::CompressionLayer;
//! use tower_http::compression::predicate::{DefaultPredicate, Predicate};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("file");
//! # std::fs::write(&path, "0123456789".repeat(10))?;
//! # let app = service_fn(async |request: http::Request<()>| {
//! #     if request.uri() == "/page" {
//! #         return Ok(Response::new(Body::from("a page ".repeat(10))));
//! #     }
//! #     let file = std::fs::File::open(&path)?;
//! #     Ok::<_, std::io::Error>(Response::new(Body::from(Blob::new(file)?)))
//! # });
//! let predicate = DefaultPredicate::new().and(may_compress);
//! let service = ServiceBuilder::new()
//!     .map_request(accept_identity)
//!     .map_response(vary_by_coding)
//!     .layer(CompressionLayer::new().compress_when(predicate))
//!     .layer(ServeBlobLayer::new())
//!     .service(app);
//! for (path, coding) in [("/page", Some("gzip")), ("/file", None)] {
//!     let request = http::Request::get(path).header("accept-encoding", "gzip").body(()).unwrap();
//!     let response = service.clone().oneshot(request).await?;
//!     let applied = response.headers().get("content-encoding");
//!     assert_eq!(applied.map(|applied| applied.to_str().unwrap()), coding);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What is compressed all the same is read by our threads, and not sent by `sendfile`. A file that
//! [`ServeFolder`] finds compressed beforehand may be: its blob names its
//! [coding](euryale_core::Blob::coding).
//!
//! [`OffloadLayer`] leaves blobs to nginx, Apache, lighttpd or Caddy. [`ServeFolder`] serves the
//! files of a folder without a publisher. [`ContentDisposition`] names a download.
//!
//! # Keeping
//!
//! A [`BlobStore`] keeps what was uploaded under a name that goes into a row, in one transaction
//! with it, so that a row always has its blob, whatever crashes when. [`FolderStore`] is one in a
//! folder that several processes may share: a spooled file is linked into place without a copy. It
//! works without the layers, and they without it.
//!
//! It replaces, from Zope: `OFS.Image`'s ranges, `plone.namedfile`'s downloads,
//! `collective.xsendfile`, the threads that an iterated file kept busy, and ZODB's folder of blobs.
//!
//! # Cost
//!
//! A response that is no file: 0.1 µs and no allocation (`cargo bench -p euryale --bench layers`
//! and `--bench allocations`, with nothing else on two cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! A dropped body gives its buffers back. A read that waits for its turn is not begun; one that
//! runs ends by itself, after a mebibyte at most.
//!
//! # Backpressure
//!
//! A body is read as it is polled, from a disk one chunk ahead over HTTP/1, and never further.
//!
//! # Errors
//!
//! None of its own (`type Error = S::Error`). A body ends in an error when its file cannot be read,
//! or has become shorter (`UnexpectedEof`): the server then breaks the connection off, so that
//! nobody takes a part for the whole. Stores have those of the file system.
//!
//! # Panics
//!
//! None of its own. Bodies are polled in tokio's runtime, whose blocking threads it uses.
//!
//! # Behind a proxy
//!
//! Caches may keep what a publisher's `Cache-Control` allows, parts included. [`OffloadLayer`] lets
//! nobody but a trusted proxy ask for offload, and takes `X-Accel-*` and `X-Sendfile*` out of every
//! request and response.
//!
//! Proxies pass on what they do not know. So one that is trusted **sets `X-Sendfile-Type` in every
//! request**, to what it can do, **and takes `X-Accel-Mapping` away** (or sets it, where
//! [`OffloadLayer::mapping_from_proxy`] is said). One that sends no files takes both away.
//! Otherwise a client says what the proxy can do, and is answered with the path of a file and
//! without its bytes.
//!
//! ```nginx
//! proxy_set_header X-Sendfile-Type X-Accel-Redirect;
//! proxy_set_header X-Accel-Mapping '';
//! ```

mod answer;
mod asked;
mod body;
mod buffers;
mod chunks;
mod coding;
mod compression;
mod conditions;
mod disposition;
mod folder;
mod future;
mod layer;
mod offload;
mod range;
mod read;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod validators;

pub use self::coding::coding_of_name;
pub use self::compression::{accept_identity, may_compress, vary_by_coding};
pub use self::disposition::ContentDisposition;
pub use self::folder::{FolderFuture, NotFound, ServeFolder};
pub use self::future::ServeBlobFuture;
pub use self::layer::ServeBlobLayer;
pub use self::offload::{BlobPath, NoOffload, Offload, OffloadFuture, OffloadLayer, OffloadTo};
pub use self::service::ServeBlob;
pub use self::store::{BlobStore, FolderStore, WrongLength};
