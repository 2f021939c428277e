//! Waits for responses that are computed after their transaction, before their heads are sent.
//!
//! It is outside everything that publishes. If a publisher returns a [`Deferred`] response, its
//! transaction has ended and its worker is free while this layer waits. The layer finds the
//! response by its handle in the extensions, even if middleware inside has boxed the body. The
//! client gets the status, type and length of the computed response, and an error during the
//! computation becomes a proper error response. The layers outside see an ordinary response: HTML
//! to transform, a blob to serve in parts, or a stream.
//!
//! ```
//! use euryale_core::{Body, Deferred, Error, Response};
//! use euryale_deferred::DeferredLayer;
//! use http_body_util::BodyExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new().layer(DeferredLayer::new()).service(service_fn(
//!     async |_: http::Request<()>| Ok::<_, Error>(Response::from(Deferred::new(async {
//!         // For example, the answer of another service.
//!         Ok::<_, Error>(Response::new(Body::from("later")))
//!     }))),
//! ));
//! let response = service.oneshot(http::Request::new(())).await.unwrap();
//! assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "later");
//! # }
//! ```
//!
//! If you use this layer on its own in an axum `Router`, place it inside `RespondLayer`, like all
//! layers that return errors:
//! `ServiceBuilder::new().layer(RespondLayer::new()).layer(DeferredLayer::new())`.
//!
//! # Three lanes
//!
//! | work | where it runs | limit |
//! |---|---|---|
//! | [`Deferred::new`], an async block | on the runtime, in the request's own task | [`futures`]: 10,000 |
//! | [`Deferred::blocking`], a function | in a blocking thread | [`blocking`]: 128 |
//! | [`Body::writer`], [`Body::iter`] | in a blocking thread, beside the client that reads | [`writers`]: 64 |
//!
//! Long computations should run on no more threads than there are cores: see
//! [`BlockingLane::cpu`](euryale_core::threads::BlockingLane::cpu).
//!
//! # Which headers are sent?
//!
//! The headers of the computed response are sent, and so are those of the publisher's own response
//! (which middleware inside may have extended), unless the computed response has the same header.
//! Cookies of both are sent. The status is that of the computed response. Framing headers are
//! dropped from both, as from any publisher's response.
//!
//! # HEAD
//!
//! The response is computed as for GET, but its body is not sent. Only the computation can
//! determine the status, type and length that GET would have (RFC 9110 §9.3.2), so HEAD costs as
//! much as GET. A body that synchronous code writes is not started, because its head is known
//! without it.
//!
//! It replaces, from Zope: the asynchronous stream iterators (`AsyncWorkerStreamIterator`), which
//! had one thread for each response, no error handling and no deadline; and ZServer's unbound
//! stream iterators.
//!
//! # Cost
//!
//! A response that is not deferred takes 0.1 µs, and one allocation for the gate in the request's
//! extensions (`cargo bench -p euryale --bench layers` and `--bench allocations`, on two otherwise
//! idle cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! When the client disconnects, an async response is dropped. A blocking one that is running goes
//! on: it keeps its place until it returns, and its result is dropped in its thread. One that has
//! not begun never runs. A writer's next write fails with `BrokenPipe`.
//!
//! # Backpressure
//!
//! Each lane limits the work that runs, and [`max_waiting`] and [`writers_waiting`] limit the work
//! that waits for a thread. A publisher is refused **before its transaction is committed**: the
//! layer attaches an [`AnswerGate`] to the request, and `Publish` asks it about the answer. A
//! response that is deferred, or whose body is written by synchronous code, gets its place at that
//! point. If no place is left, the transaction is aborted, and the client gets a 503 with
//! `Retry-After` at once, as from any full queue.
//!
//! A response whose transaction is committed waits for its turn and is not refused, because a
//! client that repeats its request after a commit does everything twice. While it waits, it holds
//! only its memory and the data for its body; if its client disconnects, it is dropped. A response
//! that defers again, or whose body is written, waits for its next turn, however many others wait.
//! If it waits longer than the [`deadline`], the answer is 504, and its thread never begins. Such
//! an error is marked ([`is_after_transaction`](euryale_core::Error::is_after_transaction)), and is
//! sent without `Retry-After` if the method is not safe.
//!
//! Without a `Publish` inside, no gate is asked: the response of an axum handler is refused here if
//! its lane is full. Work that a deferred response hands to a [`BlockingLane`] also needs a place
//! before the commit: see [`BlockingLane::reserve`].
//!
//! [`BlockingLane`]: euryale_core::threads::BlockingLane
//! [`BlockingLane::reserve`]: euryale_core::threads::BlockingLane::reserve
//!
//! Writers and iterators get their turn before the head is sent, and block when their window is
//! full. They give up on a client that reads nothing for a minute.
//!
//! # Errors
//!
//! [`Error`](euryale_core::Error), by code: [`DEFERRED_FAILED`] (502: it returned an error, or was
//! deferred too often), `ELAPSED` (504: not within the deadline), `PANICKED` (500), `LANE_FULL` and
//! `NO_WORKER` (503), and those of the service inside. An [`Error`](euryale_core::Error) that the
//! computation returns keeps its code. A failure after the head has been sent cuts the body off, so
//! that no client takes it for complete, and is logged.
//!
//! # Panics
//!
//! A panic in a deferred response, a writer or an iterator is caught. The deadline needs tokio's
//! timer.
//!
//! [`Body::iter`]: euryale_core::Body::iter
//! [`Body::writer`]: euryale_core::Body::writer
//! [`Deferred`]: euryale_core::Deferred
//! [`Deferred::new`]: euryale_core::Deferred::new
//! [`Deferred::blocking`]: euryale_core::Deferred::blocking
//! [`AnswerGate`]: euryale_core::transaction::AnswerGate
//! [`blocking`]: DeferredLayer::blocking
//! [`deadline`]: DeferredLayer::deadline
//! [`max_waiting`]: DeferredLayer::max_waiting
//! [`writers_waiting`]: DeferredLayer::writers_waiting
//! [`futures`]: DeferredLayer::futures
//! [`writers`]: DeferredLayer::writers

#![forbid(unsafe_code)]

mod blocking;
mod book;
mod codes;
mod future;
mod layer;
mod resolve;
mod service;
mod settings;
#[cfg(test)]
mod tests;

pub use self::book::DeferredBook;
pub use self::codes::DEFERRED_FAILED;
pub use self::future::AwaitDeferredFuture;
pub use self::layer::DeferredLayer;
pub use self::service::AwaitDeferred;
