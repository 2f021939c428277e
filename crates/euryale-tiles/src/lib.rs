//! Pages made of tiles: placeholders in a page are replaced by other documents of the site.
//!
//! [`Tiles`] is a transform of order 8500, before the theme. It runs when the page's transaction is
//! over and holds no worker and no connection; each tile is a request of the application to itself,
//! with a transaction of its own.
//!
//! ```
//! use euryale_core::{Body, Error, Internal, InternalRequest, Response};
//! use euryale_tiles::{HasTiles, Tiles};
//! use euryale_transform::TransformChainLayer;
//! use http::{Request, header};
//! use http_body_util::BodyExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In a program: a stack, which puts its `Internal` into the requests itself.
//! let site = service_fn(async |request: Request<Body>| {
//!     let is_tile = InternalRequest::of(request.extensions()).is_some();
//!     let page = "<p>Hello</p><div data-tile=\"./news\"></div>";
//!     let text = if is_tile { "<b>News</b>" } else { page };
//!     let mut response = Response::new(Body::from(text));
//!     let html = header::HeaderValue::from_static("text/html");
//!     response.headers_mut().insert(header::CONTENT_TYPE, html);
//!     response.extensions_mut().insert(HasTiles);
//!     Ok::<_, Error>(response)
//! });
//! let chain = TransformChainLayer::new().compose_page(Tiles::new());
//! let service = ServiceBuilder::new().layer(chain).service(site.clone());
//! let request = Request::get("/").extension(Internal::new(site)).body(Body::empty()).unwrap();
//! let response = service.oneshot(request).await.unwrap();
//! let page = response.into_body().collect().await.unwrap().to_bytes();
//! assert_eq!(page, "<p>Hello</p><b>News</b>");
//! # }
//! ```
//!
//! # Documents
//!
//! A publisher that answers with a page of tiles says so: it puts [`HasTiles`] into the response's
//! extensions.
//!
//! | in the page | becomes |
//! |---|---|
//! | `data-tile` on an element in the body | what the tile has in its body |
//! | `data-tile` on an element in the head | what the tile has in its head |
//! | `data-layout` on the root | the layout at this address, with the page in its panels |
//!
//! A tile in the body may have a head, too: it comes to the end of the page's, but for title, base
//! and charset; of equal heads one comes. All of a tile that has neither head nor body stands for
//! it.
//!
//! Into each element of the layout that has `data-panel` goes what is in the page's of the same
//! name. The page's head is added to the layout's, and its title stands for the layout's; what else
//! is in the page is left out. A panel `content` that the layout does not have goes into the
//! element whose id is that.
//!
//! Tiles in tiles are replaced in their turn. All addresses are resolved against the page's URL, as
//! a browser resolves the links of the page that comes out; `base` elements do not count. Behind a
//! proxy that rewrites paths they are the application's own: as publishers see them, without what
//! stands before them for browsers. Only addresses **within the site** are asked for: a reference
//! with a scheme or an authority is an error, also if it names this site. Redirects are followed by
//! the same rule. Give a placeholder an end tag: what follows one whose end is only implied stays
//! in the page.
//!
//! # Requests
//!
//! A tile is asked for with GET, by the client of the page: cookies, language, credentials, and
//! whatever else is in headers and extensions, are those of the page's request. Conditions, ranges,
//! codings, and what describes the page's own body and socket, are not. Equal addresses of one page
//! are asked for once. Their route is `tile`.
//!
//! A view that is there for tiles only begins with
//! [`InternalRequest::require`](euryale_core::InternalRequest::require). No header and no URL from
//! outside can pass for an internal request.
//!
//! What somebody else wrote must not name tiles: the application asks for them with the cookies of
//! the reader. Pages that do not say [`HasTiles`] are left alone; for those that do and show what
//! others wrote, remove `data-tile` from it, or say with [`Tiles::allow`] which addresses are
//! tiles.
//!
//! # Cookies and caches
//!
//! Cookies that a tile sets are not sent: it is a view. What caches may do with the page is the
//! strictest of what its parts say in `Cache-Control`, redirects that lead to them included; a part
//! that sets a cookie counts as private. `Vary` is that of all parts. A page in which a tile is
//! missing is not stored. `ETag` and `Last-Modified` of the page say nothing of its tiles, and are
//! removed. HEAD composes nothing, and is answered with the page's own headers.
//!
//! It replaces, from Plone: `plone.app.blocks` and `plone.subrequest`, which made one sub-request
//! after another within the page's own transaction and thread, and where one broken tile broke the
//! page. Here a tile that answers 401 is a missing tile, not a login form; `data-rules` and ESI are
//! not there.
//!
//! # Cancellation
//!
//! When the client goes away its tiles are dropped: those that wait leave the queue, those that run
//! are finished in their workers, what has not begun never does.
//!
//! # Backpressure
//!
//! Each tile takes an ordinary place in the queue of the pool, and nothing is held while it waits.
//! A page fetches as many at a time as there are free connections
//! ([`Internal::room`](euryale_core::Internal::room)), at most [`parallel`](Tiles::parallel), and
//! one after the other when none is free: with one connection all of them arrive, too. The page is
//! kept in memory until its last tile is there, or, with [`late_after`](Tiles::late_after), until
//! it is sent: then its earlier part goes out while a slow tile is awaited.
//!
//! # Errors
//!
//! One broken tile breaks one tile: an answer other than 200 or 204, no answer in time, what is no
//! HTML or no text, what is too large, too deep or one too many is logged, and an error tile stands
//! in its place ([`TileError`]). A page whose layout is not there is sent without. A tile that
//! contains itself ends with an error at the greatest depth. The chain's ledger counts tiles in
//! their places, and missing ones by what they are missing for (`euryale_tiles_total`).
//!
//! # Panics
//!
//! A panic of what answers a tile is a missing tile. The deadlines need tokio's timer.

#![forbid(unsafe_code)]

mod address;
mod error;
mod fetch;
mod fetches;
mod fragment;
mod late;
mod outline;
mod panels;
mod place;
mod settings;
#[cfg(test)]
mod tests;
mod tiles;

pub use self::error::{TileError, TileErrorKind};
pub use self::tiles::{HasTiles, Tiles};
