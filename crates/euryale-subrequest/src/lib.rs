//! Requests to the site itself, on behalf of the client that asked for a page.
//!
//! A transform that composes a page from other documents of the site [fetches](Fetch) them. Each
//! step is also a public function. They resolve a reference ([`resolve`]), make the request
//! ([`sub_request`]), read the HTML of the answer ([`read_html`]), and find out what caches may do
//! with a page that is made of several answers ([`Caching`]). The request is sent through
//! [`Internal`](euryale_core::request::Internal), which enters the stack again. The page's worker
//! and connection have been returned by then.
//!
//! ```
//! use euryale_core::{Body, Response};
//! use euryale_subrequest::{Caching, read_html, resolve, sub_request};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let page = http::Request::get("/news/page").header("cookie", "a=1").header("range", "bytes=0-1")
//!     .body(())?;
//! let (page, ()) = page.into_parts();
//! let request = sub_request(&page, resolve(&page.uri, "latest")?);
//! assert_eq!(request.uri(), "/news/latest");
//! assert!(request.headers().contains_key("cookie") && !request.headers().contains_key("range"));
//!
//! // In a transform: `internal.request(request, &page.extensions).await?`.
//! let mut answer = Response::new(Body::from("<p>latest</p>"));
//! answer.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html"));
//! answer.headers_mut().insert("cache-control", http::HeaderValue::from_static("private"));
//! let caching = Caching::of(answer.headers());
//! assert_eq!(read_html(answer, 1 << 20).await?, "<p>latest</p>");
//! let mut head = http::HeaderMap::new();
//! caching.apply(&mut head);
//! assert_eq!(head["cache-control"], "private");
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! [`ReferenceError`] for an address outside the site, [`SubResponseError`] for an answer without
//! HTML, and [`FetchError`] for these and all other reasons why a document is missing. [`Parts`]
//! counts documents by outcome.
//!
//! # Panics
//!
//! None.

#![forbid(unsafe_code)]

mod caching;
mod fetch;
mod parts;
mod reference;
mod sub_request;
mod sub_response;
pub mod text;

pub use self::caching::Caching;
pub use self::fetch::{Document, Fetch, FetchError, in_time};
pub use self::parts::Parts;
pub use self::reference::{ReferenceError, resolve};
pub use self::sub_request::sub_request;
pub use self::sub_response::{SubResponseError, read_html};
