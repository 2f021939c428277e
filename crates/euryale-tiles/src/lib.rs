//! Pages made of tiles: placeholders in a page are replaced by other documents of the site.
//!
//! [`Tiles`] is a transform of order 8500, before the theme. It runs after the page's transaction
//! has ended and holds no worker and no connection. Each tile is a request that the application
//! makes to itself, with its own transaction.
//!
//! ```
//! use euryale_core::request::{Internal, InternalRequest};
//! use euryale_core::{Body, Error, Response};
//! use euryale_tiles::{HasTiles, Tiles};
//! use euryale_transform::TransformChainLayer;
//! use http::{Request, header};
//! use http_body_util::BodyExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In a program this is a stack, which attaches its `Internal` to the requests.
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
//! A publisher marks a page that has tiles by putting [`HasTiles`] into the response's extensions.
//!
//! | in the page | becomes |
//! |---|---|
//! | `data-tile` on an element in the body | the content of the tile's body |
//! | `data-tile` on an element in the head | the content of the tile's head |
//! | `data-layout` on the root | the layout at this address, with the page in its panels |
//!
//! A tile in the body may have a head as well: it is appended to the page's head, without title,
//! base and charset, and equal heads are appended only once. If a tile has neither head nor body,
//! all of it is used.
//!
//! Each element of the layout that has `data-panel` gets the content of the page's element with the
//! same name. The page's head is added to the layout's, and its title replaces the layout's;
//! everything else in the page is left out. If the layout has no panel `content`, the page's panel
//! of that name goes into the element with the id `content`.
//!
//! Tiles inside tiles are also replaced. All addresses are resolved against the page's URL, as a
//! browser resolves the links of the resulting page; `base` elements are ignored. Behind a proxy
//! that rewrites paths, use the paths that publishers see, without the prefix that browsers see.
//! Only addresses **within the site** are requested: a reference with a scheme or an authority is
//! an error, even if it names this site. Redirects follow the same rule. Give each placeholder an
//! end tag: if its end is only implied, the content after it stays in the page.
//!
//! # Requests
//!
//! A tile is requested with GET, on behalf of the page's client: cookies, language, credentials,
//! and all other headers and extensions are those of the page's request. Conditions, ranges,
//! codings, and headers about the page's own body and socket are left out. If one page names an
//! address several times, it is requested once. The route of these requests is `tile`.
//!
//! A view that serves only tiles begins with
//! [`InternalRequest::require`](euryale_core::request::InternalRequest::require). A request from
//! outside cannot imitate an internal request, whatever its headers and URL are.
//!
//! Do not let content from untrusted authors name tiles, because the application requests them with
//! the reader's cookies. Pages without [`HasTiles`] are not changed. If a page with [`HasTiles`]
//! shows untrusted content, remove `data-tile` from that content, or restrict the addresses of
//! tiles with [`Tiles::allow`].
//!
//! # Cookies and caches
//!
//! Cookies that a tile sets are not sent. The page gets the strictest `Cache-Control` of its parts,
//! including the redirects that lead to them; a part that sets a cookie counts as private. `Vary`
//! is combined from all parts. A page with a missing tile is not stored. `ETag` and `Last-Modified`
//! of the page do not cover its tiles, and are removed. HEAD composes nothing and is answered with
//! the page's own headers.
//!
//! It replaces, from Plone: `plone.app.blocks` and `plone.subrequest`, which made one sub-request
//! after another within the page's own transaction and thread, and where one broken tile broke the
//! page. Here, a tile that answers 401 is a missing tile and not a login form. `data-rules` and ESI
//! are not supported.
//!
//! # Cancellation
//!
//! When the client disconnects, its tiles are dropped: waiting ones leave the queue, running ones
//! are finished in their workers, and the others never begin.
//!
//! # Backpressure
//!
//! Each tile takes an ordinary place in the pool's queue, and nothing is held while it waits. A
//! page fetches as many tiles at a time as there are free connections
//! ([`Internal::room`](euryale_core::request::Internal::room)), at most
//! [`parallel`](Tiles::parallel), and one after another if none is free, so a single connection is
//! enough. The page is kept in memory until its last tile has arrived. With
//! [`late_after`](Tiles::late_after), its first part is sent while a slow tile is awaited.
//!
//! # Errors
//!
//! A broken tile does not affect the rest of the page. It is logged and replaced by an error tile
//! if it answers anything but 200 or 204, answers too late, is not HTML or not text, is too large,
//! is nested too deeply, or exceeds the number of tiles ([`TileError`]). A page whose layout is
//! missing is sent without it. A tile that contains itself ends with an error at the maximum depth.
//! The chain's ledger counts the tiles that were inserted, and the missing ones by reason
//! (`euryale_tiles_total`).
//!
//! # Panics
//!
//! If the code of a tile panics, the tile is missing. The deadlines need tokio's timer.

#![forbid(unsafe_code)]

mod address;
mod book;
mod builder;
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

pub use self::book::TileBook;
pub use self::error::{TileError, TileErrorKind};
pub use self::tiles::{HasTiles, Tiles};
