//! The types that Euryale's layers share: publishers, transactions, leases, responses and errors.
//!
//! This crate is not a layer: it holds no worker and no connection. Layer crates depend on it and
//! on no other layer; applications usually see it through the facade crate `euryale`.
//!
//! The root has what the author of a publisher writes; everything else is in a module.
//!
//! | for | type |
//! |---|---|
//! | synchronous application code | [`Publisher`], given a [`Request`] and a [`Transaction`] |
//! | the database | [`Database`] |
//! | "do not commit" | [`Abort`], [`OrAbort`], [`OrStatus`] |
//! | the response | [`Body`], [`Blob`], [`Deferred`], [`BodyWriter`](body::BodyWriter) |
//! | a failure | [`Error`], [`Code`](error::Code) |
//! | the counters that show whether everything was returned | [`Ledger`] |
//!
//! | module | contents |
//! |---|---|
//! | [`body`] | bodies of requests and responses, open files, and the budget for them |
//! | [`error`] | aborts, errors and their codes, panics as values |
//! | [`ledger`] | counters, gauges and histograms, declared by each crate |
//! | [`pool`] | a pool's status and bounds, for operators |
//! | [`request`] | publishers, the sender of a request, its route and its times |
//! | [`threads`] | bounded numbers of threads for work that blocks |
//! | [`transaction`] | the life of a transaction, databases, claims, leases, conflicts, snapshots |
//!
//! # Example
//!
//! A publisher is a plain function. It connects when it first calls `connection()`, and commits by
//! returning `Ok`:
//!
//! ```
//! use euryale_core::{Abort, Body, Database, Request, Response, Transaction};
//!
//! fn hello<D: Database>(
//!     request: &Request,
//!     _transaction: &mut Transaction<'_, D>,
//! ) -> Result<Response, Abort> {
//!     if request.uri().path() != "/" {
//!         return Err(Abort::status(http::StatusCode::NOT_FOUND));
//!     }
//!     Ok(Response::new(Body::from("hello")))
//! }
//! # fn is_publisher<D: Database, P: euryale_core::Publisher<D>>(_: P) {}
//! # fn check<D: Database>() { is_publisher::<D, _>(hello::<D>) }
//! ```
//!
//! The guide explains how to [write a
//! `Database`](https://docs.rs/euryale/latest/euryale/guide/writing_a_database/), and [what happens
//! when](https://docs.rs/euryale/latest/euryale/guide/what_happens_when/) clients leave or
//! transactions conflict.
//!
//! It replaces, from Zope: the publication object and its transaction manager (`ZPublisher`,
//! `transaction`), ZODB's `Connection`, and `IStreamIterator`.
//!
//! # Cancellation
//!
//! Dropping a response future does not take a running publication out of its worker. A publication
//! that only reads is stopped; any other runs to the end of its transaction, and can call
//! [`Transaction::client_is_gone`].
//!
//! # Backpressure
//!
//! This crate has none. The queue is in the pool that implements [`Claim`](transaction::Claim).
//!
//! # Errors
//!
//! Publishers return [`Abort`], services return [`Error`]. Only `RespondLayer` turns an [`Error`]
//! into a response.
//!
//! # Panics
//!
//! A panic in application code is caught at the transaction, which is aborted; its connection is
//! dropped.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
pub mod body;
pub mod bus;
pub mod error;
mod inner;
pub mod ledger;
pub mod pool;
pub mod request;
pub mod threads;
pub mod transaction;

pub use self::body::{Blob, Body, Deferred};
pub use self::error::{Abort, BoxError, Error, OrAbort, OrStatus};
pub use self::ledger::Ledger;
pub use self::request::{Publisher, Request, Response, publisher_fn};
pub use self::transaction::{Database, Transaction};
