//! A publisher that needs something slow is set aside, and published again when it is there.
//!
//! [`RepublishLayer`] stands between `Spool`, which makes a request's body one that can be read
//! again, and `Retry` with `ConflictPolicy`. It holds no worker and no connection, and neither does
//! a request that waits for its promises: it costs memory only, about 4 KiB with one promise. What
//! a publisher has of it is [`PromisesExt::promises`] on its request:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use euryale_connection::{ConnectionLimitLayer, Pool};
//! use euryale_core::{Abort, Body, Request, Response, Transaction};
//! use euryale_promise::{PromisesExt, RepublishLayer};
//! use euryale_publisher::{Publish, RespondLayer};
//! use euryale_test::CountingDatabase; // stands for your database
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! fn page(
//!     request: &Request,
//!     _: &mut Transaction<'_, CountingDatabase>,
//! ) -> Result<Response, Abort> {
//!     let promises = request.promises();
//!     // There is no transaction in what a promise runs.
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
//! # What happens
//!
//! * A pass that calls [`ready`](Promised::ready) too early, or that ends with something
//!   unresolved, is rolled back and thrown away whole: its writes, response, headers, cookies and
//!   hooks. A pass that ends with an error or with another abort is answered so, and what it asked
//!   for is dropped.
//! * Its promises run side by side, outside the worker. What they resolve to, a value, an error, a
//!   panic or a time-out, is seen by all later passes, and never changes.
//! * When the last one is resolved, the request is published again: the same body, any method, new
//!   hooks, ahead of new work. A conflict in a pass is retried as in any other, with what is
//!   resolved so far.
//! * Each pass sees the database as it is then, unless
//!   [`pin_snapshots`](RepublishLayer::pin_snapshots) says otherwise.
//! * The final response names each promise and its milliseconds in `Server-Timing`.
//!
//! What a promise does is done at least once, whether its request is committed in the end or not.
//! Do not send mail in one.
//!
//! [`Promises::shared`] makes one promise of those of many requests: one call upstream, and a
//! bounded number of values kept. A request that finds its value there needs no second pass.
//!
//! It replaces, from Zope: `collective.futures` and `experimental.promises`, whose calls stand
//! beside [`ask`](Promises::ask): [`submit`](Promises::submit), [`result`](Promises::result),
//! [`result_or_submit`](Promises::result_or_submit), [`cancel`](Promises::cancel),
//! [`clear`](Promises::clear), [`reset`](Promises::reset).
//!
//! # Features
//!
//! `axum`, off by default: `HandlerPromises`, an extractor for asynchronous handlers.
//!
//! # Cost
//!
//! A request that asks for nothing: 0.3 µs and 5 allocations. 2 are for a copy of its headers, with
//! which another pass would begin, 3 for the values of earlier passes among its extensions, as the
//! first there. Extensions that it has already take 2 and one each
//! (`cargo bench -p euryale --bench layers` and `--bench allocations`, with nothing else on two
//! cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! When the client goes away, promises are cancelled and there is no further pass; a publication in
//! the queue leaves it, and one that runs is finished. A promise that blocks keeps its thread until
//! it returns. A shared one is cancelled when all have gone who wait for it.
//!
//! # Backpressure
//!
//! Promises that run, those that block, requests set aside, and shared values are bounded for all
//! requests together; passes and promises for each request. What waits for a place to run in waits
//! at most for its deadline. Promises that make requests to the same stack take places in its queue
//! as all others do, and none is held meanwhile.
//!
//! # Errors
//!
//! Adds [`PassLimit`] and [`PromiseLimit`] (508), and [`SuspendedFull`] (503). It needs
//! `RespondLayer` above it in a router. Failures of promises are values: see [`PromiseError`].
//!
//! [`PassLimit`]: euryale_core::ErrorKind::PassLimit
//! [`PromiseLimit`]: euryale_core::ErrorKind::PromiseLimit
//! [`SuspendedFull`]: euryale_core::ErrorKind::SuspendedFull
//!
//! # Panics
//!
//! A panic of a promise is a value. The service panics when it is called outside a runtime of
//! tokio's.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod asks;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
mod axum;
mod blocking;
mod error;
mod future;
mod futures;
mod key;
mod layer;
mod promised;
mod promises;
mod run;
mod scope;
mod service;
mod shared;
#[cfg(test)]
mod tests;
mod timing;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::axum::HandlerPromises;
pub use self::error::{AlreadyResolved, NoResult, PromiseError};
pub use self::future::RepublishFuture;
pub use self::key::Key;
pub use self::layer::RepublishLayer;
pub use self::promised::Promised;
pub use self::promises::{Promises, PromisesExt};
pub use self::service::Republish;
