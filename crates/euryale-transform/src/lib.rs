//! Transforms pages after their transaction: heads, HTML while it is streamed, whole pages.
//!
//! The chain is outside everything that makes responses, including the layer that makes error
//! pages, so error pages are transformed like others. The worker and the connection have been
//! returned by then, however long a transform takes.
//!
//! ```
//! use euryale_core::{Body, BoxError, Response};
//! use euryale_transform::html_content::ContentType;
//! use euryale_transform::{TransformChainLayer, order, rewrite_fn};
//! use http_body_util::BodyExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let footer = rewrite_fn("footer", order::PAGE, "body".parse()?, |body| {
//!     body.append("<footer>", ContentType::Html);
//!     Ok(())
//! });
//! let chain = TransformChainLayer::new().rewrite(footer);
//! let page = service_fn(async |_: http::Request<()>| {
//!     let mut response = Response::new(Body::from("<body>hello</body>"));
//!     response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html"));
//!     Ok::<_, BoxError>(response)
//! });
//! let service = ServiceBuilder::new().layer(chain).service(page);
//! let response = service.oneshot(http::Request::new(())).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "<body>hello<footer></body>");
//! # Ok(())
//! # }
//! ```
//!
//! The guide has [a transform of each
//! kind](https://docs.rs/euryale/latest/euryale/guide/writing_a_transform/).
//!
//! # Four kinds
//!
//! | kind | gets | runs |
//! |---|---|---|
//! | [`EditHead`] | the head of any final response | on a runtime thread, after all transforms of bodies |
//! | [`Rewrite`] | elements, text and comments, as they arrive | on a runtime thread, within a [budget] |
//! | [`TransformPage`] | a whole page as text, up to a [limit] | in the request's task; may wait, use [`Page::cpu`] |
//! | [`ComposePage`] | the same, but returns a body that is sent while it is composed | in the same way |
//!
//! [budget]: TransformChainLayer::budget
//! [limit]: TransformChainLayer::body_limit
//!
//! [`head_fn`], [`rewrite_fn`] and [`page_fn`] make the first three of closures. Transforms run in
//! the order of their [numbers](order), and of their names if numbers are equal. Consecutive
//! rewrites share one parse by [lol_html](https://docs.rs/lol_html) over the page. The page is
//! streamed: the part that is available, up to 64 KiB, is rewritten, then the head is sent, and the
//! rest follows piece by piece as it arrives.
//!
//! # What is transformed?
//!
//! HTML bodies (`text/html`, `application/xhtml+xml`) that are complete and unencoded are
//! transformed, whatever their status. Excluded are 204, 205, 206, 304, files, and responses with a
//! `Content-Encoding` or a `Content-Range`. Transforms of bodies are not asked about these, and
//! they cost nothing. For HEAD a transform is asked whether it applies, but does not run. Put
//! compression **outside** the chain.
//!
//! A page is read in the charset that its `Content-Type` declares, and as UTF-8 otherwise (a
//! streaming rewrite then also respects a `<meta charset>`). Bytes that no handler changes are
//! passed on unchanged. A page that is not valid text is not passed to whole-page transforms. Their
//! result is sent as UTF-8.
//!
//! # What happens to the headers?
//!
//! A transformed page loses `Content-Length`, `Accept-Ranges`, `Last-Modified`, `Trailer`, its
//! trailers and its content digests. It is sent with its new length if that is known before the
//! head is sent. `ETag` is replaced by a weak one, made of the page's own tag and the
//! [versions](Transform::version) of the transforms that changed it. A page that was made while one
//! of the versions changed has no tag. HEAD gets the same head as GET, without the length.
//!
//! # Which conditions are evaluated here?
//!
//! `If-None-Match` and `If-Modified-Since` of GET and HEAD are evaluated here against the head that
//! is sent (RFC 9110 §13.2.2), because a tag or a date from inside does not cover the transforms.
//! If a tag in the request belongs to a transformed page and all versions are unchanged, the
//! service inside gets the page's own tag, so that it can answer 304 before it makes the page;
//! other tags are removed. A 200 or 206 of the service is sent as 304 if the client already has the
//! page. A chain that only edits heads leaves conditions alone.
//!
//! # The off switch
//!
//! To skip the chain, put [`TransformsOff`] into the extensions of a response or a request. The
//! request header `transform-off` does the same if it comes from a peer that [you
//! trust](TransformChainLayer::trust_off_switch).
//!
//! It replaces, from Zope: `plone.transformchain`, which ran in the worker and in the transaction.
//! To inspect what a transaction has written, and perhaps abort it, use a `before_commit` hook.
//!
//! # Cost
//!
//! A response to which no transform applies takes 0.2 µs and 2 allocations, for a copy of the
//! request's headers; a copy of the extensions takes 2 allocations and one for each extension
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, on two otherwise idle cores
//! of an AMD EPYC).
//!
//! # Cancellation
//!
//! When the client disconnects, the transforms of its page are dropped. CPU work that has not begun
//! never runs; running work keeps its thread until it returns, and its result is dropped.
//!
//! # Backpressure
//!
//! A rewritten page is read no faster than it is sent. There are as many CPU threads as
//! [cores](TransformChainLayer::threads), in a lane that the ledger calls `transforms`. A transform
//! fails if too many are already [waiting](TransformChainLayer::max_queue) for a thread.
//!
//! # Errors
//!
//! The layer adds no errors. When a transform fails (an error, a panic, a missed deadline, a page
//! that is too large or not text), the page is sent without it, and the transforms after it still
//! run. The failure is logged as an error and counted under the transform's name. The page then has
//! no `ETag`, unless its head has been sent already.
//!
//! * A handler that fails while the page is streamed is not called again for that page. Its earlier
//!   changes and those of other handlers are kept: the page is complete, but only partly rewritten.
//! * A parser that would need more than 1 MiB for one page stops parsing, and the rest of the page
//!   is passed on unchanged.
//! * If a rewrite never returns, the page is sent untransformed, or cut off if a part of it has
//!   been sent already.
//! * If a [critical](Transform::is_critical) transform fails, the answer is a
//!   [500](TransformChainLayer::failed). Its page is read ahead, up to 64 KiB, before the head is
//!   sent; a later failure cuts the page off, so that no client takes it for complete.
//!
//! # Panics
//!
//! A panic in a transform is a failure of that transform. The deadline needs tokio's timer.
//!
//! # Behind a proxy
//!
//! `transform-off` is removed from every request, and obeyed only if you trust the peer. No other
//! part of the request controls the chain.

#![forbid(unsafe_code)]

mod book;
mod chain;
mod closures;
mod codes;
mod framing;
mod future;
mod handlers;
mod layer;
mod off;
pub mod order;
mod page;
mod parse;
mod per_transform;
mod replay;
mod rewriting;
mod run;
mod service;
mod settings;
mod tag;
#[cfg(test)]
mod tests;
mod text;
mod transform;
mod watch;

pub use lol_html::{Selector, html_content};

pub use self::book::TransformBook;
pub use self::closures::{OnElements, OnHeads, OnPages, TransformFn, head_fn, page_fn, rewrite_fn};
pub use self::codes::TRANSFORM_FAILED;
pub use self::future::TransformChainFuture;
pub use self::handlers::{Element, Handlers};
pub use self::layer::TransformChainLayer;
pub use self::off::TransformsOff;
pub use self::page::Page;
pub use self::per_transform::{PerTransform, TransformMeters};
pub use self::service::TransformChain;
pub use self::transform::{ComposePage, EditHead, Rewrite, Transform, TransformPage};
