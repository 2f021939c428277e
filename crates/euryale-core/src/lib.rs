//! The vocabulary that Euryale's layers share: publishers, transactions, leases, responses and
//! errors.
//!
//! This crate is not a layer: it holds no worker and no connection. Layer crates depend on it and
//! on no other layer; applications usually see it through the facade crate `euryale`.
//!
//! | for | type |
//! |---|---|
//! | synchronous application code | [`Publisher`], given a [`Request`] and a [`Transaction`] |
//! | the database | [`Database`] |
//! | "do not commit" | [`Abort`], [`OrAbort`], [`OrStatus`] |
//! | a place in a pool's queue | [`Claim`], which lends a [`Lease`] in a worker |
//! | several transactions that read one state | [`Snapshot`], [`SnapshotPin`] |
//! | the response | [`Body`], [`Blob`], [`Deferred`], [`BodyWriter`] |
//! | a failure | [`Error`], [`Code`](error::Code) |
//! | the route's name, for people and metrics | [`Route`] |
//! | the sender of a request | [`Peer`], [`PeerAddr`] |
//! | the budget of files that requests may have open | [`Descriptors`] |
//! | the accounts that show whether everything was returned | [`Ledger`] |
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
//! None in this crate. The queue is in the pool that implements [`Claim`].
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

mod abort;
mod admit;
mod answer;
mod attempt;
#[cfg(feature = "axum")]
mod axum;
mod blob;
mod blocking;
mod body;
mod claim;
mod conflict;
mod database;
mod deferred;
mod descriptors;
mod doubt;
pub mod error;
mod framing;
mod handle;
mod inner;
mod internal;
mod interrupt;
mod lane;
mod lease;
pub mod ledger;
mod panic;
mod participant;
mod peer;
mod phase;
pub mod pool;
mod publisher;
mod route;
mod seldom;
mod snapshot;
mod spooled;
mod stint;
mod times;
mod transaction;
mod window;
mod work;
mod writer;

pub use self::abort::{Abort, OrAbort, OrStatus, Pending};
pub use self::admit::Admit;
pub use self::answer::AnswerGate;
pub use self::attempt::{Attempt, CommitGate, History};
#[cfg(feature = "fs")]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
pub use self::blob::UnnamedFile;
pub use self::blob::{Blob, BlobChunks, BlobHandle, BlobParts, ReadBlob};
pub use self::blocking::close_elsewhere;
pub use self::body::Body;
pub use self::claim::{Claim, Publication, StopWhen};
pub use self::conflict::{AttemptAgain, Attempted, ConflictRule};
pub use self::database::{Access, Begin, Database, Fault};
pub use self::deferred::{Deferred, DeferredHandle};
pub use self::descriptors::{Descriptor, Descriptors, NoDescriptor, Reserve};
pub use self::doubt::{Doubt, Settled};
pub use self::error::{BoxError, Error, ErrorChain};
pub use self::framing::own_framing;
pub use self::internal::{Internal, InternalRequest};
pub use self::interrupt::{Interrupt, Stopped, Switch};
pub use self::lane::{BlockingLane, Place, Turn};
pub use self::lease::{DropReason, Lease, LeaseSource, StaysInItsWorker, Task, Unavailable};
pub use self::ledger::Ledger;
pub use self::panic::{CatchPanic, PanicMessage};
pub use self::participant::Participant;
pub use self::peer::{Peer, PeerAddr};
pub use self::phase::Phase;
pub use self::publisher::{Publisher, PublisherFn, Request, Response, publisher_fn};
pub use self::route::Route;
pub use self::seldom::Seldom;
pub use self::snapshot::{Snapshot, SnapshotPin};
pub use self::spooled::SpooledBody;
pub use self::stint::Stint;
pub use self::times::{Stage, Times};
pub use self::transaction::{AlreadyReading, Outcome, Transaction, TransactionOptions};
pub use self::work::{Done, RunBlocking, Work};
pub use self::writer::{BodyWriter, IntoChunk, WriterHandle};
