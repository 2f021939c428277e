//! Open files as responses: served with validators and ranges, from folders too, or offloaded to a
//! proxy.
//!
//! A publisher returns a [`Blob`](euryale_core::Blob), an open file; its worker and its connection
//! are free before the first byte is sent. [`ServeBlobLayer`] is inside `Respond` and outside
//! everything that waits for a worker. It holds no worker and no connection. A few blocking threads
//! of its own read the data that is not in the page cache.
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
//! # What does it answer?
//!
//! It finds a blob by the [`BlobHandle`](euryale_core::body::BlobHandle) in a response's
//! extensions, so there may be other middleware in between. It trusts the handle only in a 200
//! without `Content-Encoding` and `Content-Range` whose body has exactly the blob's size. In any
//! other response it changes nothing, and its threads only read the file.
//!
//! | request | answer | RFC 9110 |
//! |---|---|---|
//! | `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since` | 412 or 304, in this order | §13.2.2 |
//! | `Range` with `GET`, one part | 206, of a blob again | §14.2, §15.3.7.1 |
//! | several parts: at most 5 after overlapping and adjacent ones are merged | 206 `multipart/byteranges` | §15.3.7.2 |
//! | more, another unit, or anything malformed | 200: the field is ignored | §14.2 |
//! | only parts beyond the end | 416 with `Content-Range: bytes */N` | §15.5.17 |
//! | `If-Range` with anything but the same strong tag or the same date | 200 | §13.1.5 |
//! | `HEAD` | the head of the 200; nothing is read | §9.3.2 |
//!
//! An empty file is always sent whole, whatever part is requested. A publisher's `Accept-Ranges:
//! none` is kept. 412 and 416 are `no-store`. Methods other than `GET` and `HEAD` are ignored.
//!
//! `ETag` and `Last-Modified` are the publisher's. If the publisher set none, they are made from
//! the file's length, its coding, and the modification time that `fstat` returned in the worker. If
//! that time is less than 2 s old, the tag is weak, because the file may change again within the
//! same time stamp (§8.8.1). A time before 1980 is a placeholder of archive programs and gives no
//! tag.
//!
//! # How are files read?
//!
//! Data in the page cache is read where the body is polled, with `preadv2(RWF_NOWAIT)`, which never
//! waits for a disk. All other data, and on systems without this call all data, is read by at most
//! [`ServeBlobLayer::readers`] blocking threads in the order of the requests. They also load the
//! following mebibyte into the page cache. Reads do not move the file's offset, so parts and
//! requests can share a descriptor.
//!
//! Over HTTP/1, a body whose data is sent without delay is read 128 KiB at a time. There are 16
//! such buffers; a stalled peer additionally holds at most two of 24 KiB. Over HTTP/2 a stream
//! begins with 8 KiB. Once all earlier data of the stream has been sent, it gets one of 16 other
//! large buffers if one is free. A stalled stream additionally holds at most two buffers of 8 KiB,
//! and only one under `euryale-server`, which asks for more only when the last one has been
//! written.
//!
//! # How does it work with compression?
//!
//! A strong `ETag` names exact bytes, but tower-http's `CompressionLayer` keeps it on a response
//! that it has compressed. A client whose download breaks off asks for the rest with `Range` and
//! `If-Range`, gets a part of the uncompressed file, and assembles a file that is neither. The
//! layer also compresses multipart ranges, because their `Content-Range` is inside the body.
//! Exclude files from compression with [`may_compress`].
//!
//! The layer also answers 406 if a client accepts neither an uncompressed response nor any
//! available coding, and it does so after the service inside has done its work. [`accept_identity`]
//! prevents that, and [`vary_by_coding`] completes a 304:
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
//! A blob that is compressed nevertheless is read by our threads and not sent with `sendfile`.
//! [`ServeFolder`] can send files that were compressed in advance with `sendfile`, because their
//! blobs name their [coding](euryale_core::Blob::coding).
//!
//! [`OffloadLayer`] lets nginx, Apache, lighttpd or Caddy send blobs. [`ServeFolder`] serves the
//! files of a folder without a publisher. [`ContentDisposition`] names a download.
//!
//! `FolderStore` of `euryale-store` stores uploads together with the rows that name them.
//!
//! It replaces, from Zope: `OFS.Image`'s ranges, `plone.namedfile`'s downloads,
//! `collective.xsendfile`, and the threads that an iterated file kept busy.
//!
//! # Cost
//!
//! A response that is not a file takes 0.1 µs and no allocation
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, on two otherwise idle cores
//! of an AMD EPYC).
//!
//! # Cancellation
//!
//! Dropping a body returns its buffers. A read that waits for its turn never begins. A running read
//! completes, after at most one mebibyte.
//!
//! # Backpressure
//!
//! A body is read when it is polled. Over HTTP/1, a file on a disk is read at most one chunk ahead.
//!
//! # Errors
//!
//! The layer has no errors of its own (`type Error = S::Error`). A body ends in an error if its
//! file cannot be read or has become shorter (`UnexpectedEof`). The server then closes the
//! connection, so that no client takes a part of the file for all of it.
//!
//! # Panics
//!
//! The layer has no panics of its own. Bodies must be polled in a tokio runtime, whose blocking
//! threads they use.
//!
//! # Behind a proxy
//!
//! Caches may keep what a publisher's `Cache-Control` allows, parts included. [`OffloadLayer`]
//! accepts offload requests only from a trusted proxy, and removes `X-Accel-*` and `X-Sendfile*`
//! from every request and response.
//!
//! Proxies pass on unknown headers. So a trusted proxy must **set `X-Sendfile-Type` in every
//! request**, to what it supports, **and remove `X-Accel-Mapping`** (or set it, if
//! [`OffloadLayer::mapping_from_proxy`] is on). A proxy that does not send files must remove both.
//! Otherwise a client can claim what the proxy supports, and gets the path of a file instead of its
//! bytes.
//!
//! ```nginx
//! proxy_set_header X-Sendfile-Type X-Accel-Redirect;
//! proxy_set_header X-Accel-Mapping '';
//! ```

mod answer;
mod asked;
mod body;
mod book;
mod buffers;
mod chunks;
mod coding;
mod compression;
mod conditions;
mod disposition;
mod folder;
mod future;
mod layer;
mod media_type;
mod offload;
mod range;
mod read;
mod service;
#[cfg(test)]
mod tests;
mod validators;

pub use self::book::BlobBook;
pub use self::coding::coding_of_name;
pub use self::compression::{accept_identity, may_compress, vary_by_coding};
pub use self::disposition::ContentDisposition;
pub use self::folder::{FolderFuture, NotFound, ServeFolder};
pub use self::future::ServeBlobFuture;
pub use self::layer::ServeBlobLayer;
pub use self::media_type::media_type;
pub use self::offload::{BlobPath, NoOffload, Offload, OffloadFuture, OffloadLayer, OffloadTo};
pub use self::service::ServeBlob;
