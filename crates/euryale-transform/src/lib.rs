//! Transforms pages after their transaction: heads, HTML while it is streamed, whole pages.
//!
//! The chain stands outside everything that makes responses, outside the layer that makes error
//! pages, too: those are transformed like others. The worker and the connection are back by then,
//! however long a transform takes.
//!
//! ```
//! use euryale_core::{Body, BoxError, Response};
//! use euryale_transform::html_content::ContentType;
//! use euryale_transform::{Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer};
//! use http_body_util::BodyExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! struct Footer(Selector);
//!
//! impl Transform for Footer {
//!     fn name(&self) -> &str { "footer" }
//!     fn order(&self) -> i32 { 9500 }
//! }
//!
//! impl Rewrite for Footer {
//!     fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
//!         handlers.element(&self.0, |body| Ok(body.append("<footer>", ContentType::Html)));
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let chain = TransformChainLayer::new().rewrite(Footer("body".parse()?));
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
//! | [`EditHead`] | the head of any final response | on a runtime thread, after all that is about bodies |
//! | [`Rewrite`] | elements, text and comments, as they come | on a runtime thread, within a [budget] |
//! | [`TransformPage`] | a whole page as text, up to a [limit] | in the request's task; may wait, use [`Page::cpu`] |
//! | [`ComposePage`] | the same; answers with a body that is sent while it is made | as that one |
//!
//! [budget]: TransformChainLayer::budget
//! [limit]: TransformChainLayer::body_limit
//!
//! They run by [number](Transform::order), ties by name. Rewrites with no whole-page transform
//! between them share one pass of [lol_html](https://docs.rs/lol_html) over the page. It is
//! streamed: what is there of the page is rewritten, up to 64 KiB, then the head is sent, and the
//! rest follows as it comes, a piece at a time.
//!
//! # What is transformed
//!
//! Bodies of HTML (`text/html`, `application/xhtml+xml`) that are sent whole and uncoded, whatever
//! their status. Never: 204, 205, 206, 304, files, what has a `Content-Encoding` or a
//! `Content-Range`. No transform of bodies is asked about these, and they cost nothing. For HEAD it
//! is asked, and not run. Put compression **outside** the chain.
//!
//! A page is read in the charset that its `Content-Type` declares, and as UTF-8 otherwise (a
//! streaming rewrite heeds a `<meta charset>` then). Bytes that no handler changes stay what they
//! are; a page that is no text is not given to transforms of whole pages. Those make UTF-8 of it,
//! and the head says so.
//!
//! # What the head says
//!
//! Of a transformed page `Content-Length`, `Accept-Ranges`, `Last-Modified`, `Trailer`, the
//! trailers and digests of the content go, and it is sent with the length that it has now, if that
//! is known before its head is sent. `ETag` becomes a weak one of its own, made of the page's and
//! of the [versions](Transform::version) of what changed it. A page that was made while one of them
//! changed has no tag. HEAD gets the head that GET would, without the length.
//!
//! # Conditions
//!
//! `If-None-Match` and `If-Modified-Since` of GET and HEAD are judged here, by the head that is
//! sent (RFC 9110 §13.2.2), because a tag or a date from inside says nothing about the transforms.
//! The service inside gets only tags of transformed pages whose versions are still the same, each
//! as the page's own, so that it can answer 304 before it makes the page. Whatever else it answers
//! 200 or 206 is sent as 304 if the client has it. A chain that only edits heads leaves conditions
//! alone.
//!
//! # The off switch
//!
//! [`TransformsOff`] in the extensions of a response or of a request; or the request header
//! `transform-off`, from [whom you trust](TransformChainLayer::trust_off_switch).
//!
//! It replaces, from Zope: `plone.transformchain`, which ran in the worker and in the transaction.
//! What must see what a transaction writes, and may abort it, is a `before_commit` hook there.
//!
//! # Cost
//!
//! A response to which no transform applies: 0.2 µs and 2 allocations, for a copy of the request's
//! headers; one of its extensions takes 2 and one for each (`cargo bench -p euryale --bench layers`
//! and `--bench allocations`, with nothing else on two cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! When the client goes away the transforms of its page are dropped. Work on a thread for the CPU
//! that has not begun never does; what runs keeps its thread until it returns, and its result is
//! dropped.
//!
//! # Backpressure
//!
//! A rewritten page is read no faster than it is sent. As many threads compute as there are
//! [cores](TransformChainLayer::threads), in a lane that the ledger calls `transforms`; who finds
//! too many [waiting](TransformChainLayer::max_queue) for one fails.
//!
//! # Errors
//!
//! The layer adds none. When a transform fails (an error, a panic, a deadline, a page that is too
//! large or no text), the page is sent as it was before that transform; those after it run all the
//! same. It is logged as an error, and counted by the transform's name. The page has no `ETag`
//! then, unless its head was sent before.
//!
//! * A handler that fails while the page is streamed is not called again for that page. What it did
//!   so far stays, as does what others do: the page is whole, and partly rewritten.
//! * A parser that would need more than 1 MiB for one page stops parsing, and the rest of the page
//!   passes as it is.
//! * A rewrite that never gives its thread back has the page sent as it came, or broken off once a
//!   part of it was sent.
//! * Without a [critical](Transform::is_critical) one nothing is sent:
//!   [500](TransformChainLayer::failed). Its page is read ahead, up to 64 KiB, before the head; a
//!   failure after that breaks the page off, so that no client takes it for the whole.
//!
//! # Panics
//!
//! A panic of a transform is a failure of it. The deadline needs tokio's timer.
//!
//! # Behind a proxy
//!
//! `transform-off` is taken from every request, and heeded only from whom you trust. Nothing else
//! of a request is.

#![forbid(unsafe_code)]

mod caching;
mod chain;
mod framing;
mod future;
mod handlers;
mod layer;
mod off;
mod page;
mod pass;
mod reference;
mod replay;
mod rewriting;
mod run;
mod service;
mod sub_request;
mod sub_response;
mod tag;
#[cfg(test)]
mod tests;
mod text;
mod transform;
mod watch;

pub use lol_html::{Selector, html_content};

pub use self::caching::Caching;
pub use self::future::TransformChainFuture;
pub use self::handlers::{Element, Handlers};
pub use self::layer::TransformChainLayer;
pub use self::off::TransformsOff;
pub use self::page::Page;
pub use self::reference::{ReferenceError, resolve, without_dots};
pub use self::service::TransformChain;
pub use self::sub_request::sub_request;
pub use self::sub_response::{SubResponseError, read_html};
pub use self::transform::{ComposePage, EditHead, Rewrite, Transform, TransformPage};
