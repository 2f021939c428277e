//! Waits for responses that are computed after their transaction, before their heads are sent.
//!
//! It stands outside everything that publishes. When a publisher answers with a [`Deferred`]
//! response, its transaction is over and its worker free, and this layer waits: the status, the
//! type and the length that the client gets are those of the response that was computed, and an
//! error before it is there is a real error response. What stands outside sees an ordinary
//! response: HTML to transform, a blob to serve in parts, a stream.
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
//!         // An answer of another service, say.
//!         Ok::<_, Error>(Response::new(Body::from("later")))
//!     }))),
//! ));
//! let response = service.oneshot(http::Request::new(())).await.unwrap();
//! assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "later");
//! # }
//! ```
//!
//! Alone, in an axum `Router`, it stands below `RespondLayer`, as all layers that return errors:
//! `ServiceBuilder::new().layer(RespondLayer::new()).layer(DeferredLayer::new())`.
//!
//! # Three lanes
//!
//! | what | where it runs | at a time |
//! |---|---|---|
//! | [`Deferred::new`], an async block | on the runtime, in the request's own task | [`futures`]: 10,000 |
//! | [`Deferred::blocking`], a function | in a blocking thread | [`blocking`]: 128 |
//! | [`Body::writer`], [`Body::iter`] | in a blocking thread, beside the client that reads | [`writers`]: 64 |
//!
//! Work for the CPU that takes long belongs on as few threads as there are cores: [`CpuPool`].
//!
//! # What is kept of the first response
//!
//! Headers that the publisher, or middleware inside, put beside the deferred body are sent, too,
//! unless the computed response has the same ones; cookies of both are sent. Its status is not.
//! Framing is dropped from both, as from any publisher's response.
//!
//! # HEAD
//!
//! The response is computed as for GET, and its body is not sent: nothing else knows the status,
//! the type and the length that GET would have (RFC 9110 §9.3.2). HEAD therefore costs what GET
//! costs. A body that synchronous code writes is not started; its head is known without it.
//!
//! It replaces, from Zope: the asynchronous stream iterators (`AsyncWorkerStreamIterator`), which
//! had a thread of their own for each, no errors and no end; and ZServer's unbound stream
//! iterators.
//!
//! # Cost
//!
//! A response that is not deferred: 0.1 µs, and an allocation for the gate in the request's
//! extensions (`cargo bench -p euryale --bench layers` and `--bench allocations`, with nothing else
//! on two cores of an AMD EPYC).
//!
//! # Cancellation
//!
//! When the client goes away, an async response is dropped. A blocking one that runs goes on, keeps
//! its place until it returns, and its result is dropped in its thread; one that has not begun
//! never does. A writer's next write fails with `BrokenPipe`.
//!
//! # Backpressure
//!
//! Each lane is bounded in what runs, and [`max_waiting`] and [`writers_waiting`] bound what waits
//! for a thread. A publisher is refused **before its transaction is committed**: the layer puts an
//! [`AnswerGate`] into the request, which `Publish` asks about the answer. A response that is
//! deferred, or whose body is to be written, gets its place there. If no place is left, the
//! transaction is aborted and the client gets 503 with `Retry-After` at once, as from any full
//! queue.
//!
//! Whatever is committed waits for its turn and is not refused: after a commit a client that sends
//! its request again does everything twice. While it waits it holds nothing but its memory and what
//! a body will be written from, and when its client goes away it leaves. A response that defers
//! again, or whose body is written, waits for its next turn however many wait. A response that
//! waits longer than the [`deadline`] is answered 504, and its thread never begins. Such an error
//! says what it is ([`is_after_transaction`](euryale_core::Error::is_after_transaction)), and is
//! sent without `Retry-After` when the method is not safe.
//!
//! No gate is asked where no `Publish` is inside: what a handler of axum's returns is refused here,
//! when its lane is full. Work that a deferred response hands to a [`CpuPool`] needs a place from
//! before the commit, too: [`CpuPool::reserve`].
//!
//! Writers and iterators have their turn before the head is sent and block at their window. A
//! client that reads nothing for a minute is given up.
//!
//! # Errors
//!
//! [`Error`](euryale_core::Error), by kind: `DeferredFailed` (502: it returned an error, or was
//! deferred too often), `Elapsed` (504: not within the deadline), `Panicked` (500), `LaneFull` and
//! `NoWorker` (503), those of the service inside. An [`Error`](euryale_core::Error) that the
//! computation returns keeps its kind. What goes wrong after the head breaks the body off, so that
//! no client takes it for the whole, and is logged.
//!
//! # Panics
//!
//! A panic of a deferred response, of a writer or of an iterator is caught. The deadline needs
//! tokio's timer.
//!
//! [`Body::iter`]: euryale_core::Body::iter
//! [`Body::writer`]: euryale_core::Body::writer
//! [`Deferred`]: euryale_core::Deferred
//! [`Deferred::new`]: euryale_core::Deferred::new
//! [`Deferred::blocking`]: euryale_core::Deferred::blocking
//! [`AnswerGate`]: euryale_core::AnswerGate
//! [`blocking`]: DeferredLayer::blocking
//! [`deadline`]: DeferredLayer::deadline
//! [`max_waiting`]: DeferredLayer::max_waiting
//! [`writers_waiting`]: DeferredLayer::writers_waiting
//! [`futures`]: DeferredLayer::futures
//! [`writers`]: DeferredLayer::writers

#![forbid(unsafe_code)]

mod blocking;
mod cpu;
mod future;
mod layer;
mod resolve;
mod service;
#[cfg(test)]
mod tests;

pub use self::cpu::CpuPool;
pub use self::future::AwaitDeferredFuture;
pub use self::layer::DeferredLayer;
pub use self::service::AwaitDeferred;
