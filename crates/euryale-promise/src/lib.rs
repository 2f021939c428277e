//! Suspends a publisher that needs something slow, and publishes the request again once the result
//! is available.
//!
//! [`RepublishLayer`] is between `Spool`, which makes a request's body repeatable, and `Retry` with
//! `ConflictPolicy`. It holds no worker and no connection, and neither does a request that waits
//! for its promises: it costs only memory, about 4 KiB with one promise. A publisher uses it
//! through [`PromisesExt::promises`] on its request:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use euryale_connection::{ConnectionLimitLayer, Pool};
//! use euryale_core::{Abort, Body, Request, Response, Transaction};
//! use euryale_promise::{PromisesExt, RepublishLayer};
//! use euryale_publisher::Publish;
//! use euryale_respond::RespondLayer;
//! use euryale_test::CountingDatabase; // stands for your database
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! fn page(
//!     request: &Request,
//!     _: &mut Transaction<'_, CountingDatabase>,
//! ) -> Result<Response, Abort> {
//!     let promises = request.promises();
//!     // A promise's code has no access to the transaction.
//!     let rain = promises.ask("rain", || async { Ok::<_, Infallible>(0.2) });
//!     let wind = promises.ask("wind", || async { Ok::<_, Infallible>(17) });
//!     // The first pass ends here; the second goes on.
//!     let rain = rain.ready()??;
//!     let wind = wind.ready()??;
//!     let text = format!("rain {rain}, wind {wind}, pass {}", promises.pass());
//!     Ok(Response::new(Body::from(text)))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stack = ServiceBuilder::new()
//!     .layer(RespondLayer::new())
//!     .layer(RepublishLayer::new())
//!     .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 2)))
//!     .service(Publish::new(page));
//! let response = stack.oneshot(Request::default()).await.unwrap();
//! # use http_body_util::BodyExt;
//! # let body = response.into_body().collect().await.unwrap().to_bytes();
//! assert_eq!(body, "rain 0.2, wind 17, pass 2");
//! # }
//! ```
//!
//! # What happens?
//!
//! * A pass that calls [`ready`](Promised::ready) on an unresolved promise, or returns while one is
//!   unresolved, is rolled back and discarded completely: its writes, response, headers, cookies
//!   and hooks. A pass that ends with an error or another abort is answered with that, and its
//!   promises are dropped.
//! * Its promises run concurrently, outside the worker. All later passes see the same result: a
//!   value, an error, a panic or a time-out.
//! * When the last one is resolved, the request is published again, ahead of new work: with the
//!   same body, for any method, and with new hooks. A conflict in a pass is retried as usual, with
//!   everything that has been resolved so far.
//! * Each pass sees the current state of the database, unless
//!   [`pin_snapshots`](RepublishLayer::pin_snapshots) is on.
//! * The final response names each promise and its milliseconds in `Server-Timing`.
//!
//! A promise runs at least once, even if its request is not committed in the end. So do not send
//! mail in a promise.
//!
//! [`Promises::shared`] shares one promise among many requests: there is one call upstream, and a
//! bounded number of values is cached. A request that finds its value in the cache needs no second
//! pass. A value may name what it depends on ([`Key::depends_on`]), and is dropped when that
//! changes, also if another process has changed it ([`Changes`]).
//!
//! It replaces, from Zope: `collective.futures` and `experimental.promises`. The feature `futures`
//! adds their calls beside [`ask`](Promises::ask): `submit`, `result`, `result_or_submit`,
//! `cancel`, `clear` and `reset`.
//!
//! # Features
//!
//! Both are off by default. `axum`: `HandlerPromises`, an extractor for asynchronous handlers.
//! `futures`: the calls of `collective.futures`, for code that is moved from Zope.
//!
//! # Cost
//!
//! A request without promises takes 0.3 µs and 5 allocations: 2 for a copy of its headers, with
//! which another pass would begin, and 3 for the values of earlier passes, if these are its first
//! extension. A copy of existing extensions takes 2 allocations and one for each
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, on two otherwise idle cores
//! of an AMD EPYC).
//!
//! # Cancellation
//!
//! When the client disconnects, promises are cancelled and there is no further pass. A publication
//! in the queue is removed; a running one is finished, or stopped if it only reads. A blocking
//! promise keeps its thread until it returns. A shared promise is cancelled when nothing waits for
//! it any more.
//!
//! # Backpressure
//!
//! There are limits for all requests together on running promises, blocking promises, suspended
//! requests and shared values, and limits for each request on passes and promises. A promise waits
//! for a place to run no longer than its deadline. Promises that send requests to the same stack
//! take places in its queue like all others, and no place is held while they wait.
//!
//! # Errors
//!
//! The layer adds [`PASS_LIMIT`] and [`PROMISE_LIMIT`] (508), and [`SUSPENDED_FULL`] (503). In a
//! router it needs `RespondLayer` outside it. Failures of promises are values: see
//! [`PromiseError`].
//!
//! # Panics
//!
//! A panic in a promise becomes a value. The service panics if it is called outside a tokio
//! runtime.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod asks;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
mod axum;
mod blocking;
mod book;
mod changes;
mod codes;
mod error;
mod future;
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
mod futures;
mod join;
mod key;
mod layer;
mod promised;
mod promises;
mod run;
mod scope;
mod service;
mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod timing;
mod unbound;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::axum::HandlerPromises;
pub use self::book::PromiseBook;
pub use self::changes::Changes;
pub use self::codes::{PASS_LIMIT, PROMISE_LIMIT, SUSPENDED_FULL};
pub use self::error::PromiseError;
pub use self::future::RepublishFuture;
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
pub use self::futures::{AlreadyResolved, NoResult};
pub use self::join::Join;
pub use self::key::Key;
pub use self::layer::RepublishLayer;
pub use self::promised::Promised;
pub use self::promises::{Promises, PromisesExt};
pub use self::service::Republish;
pub use self::unbound::UnboundPromises;
