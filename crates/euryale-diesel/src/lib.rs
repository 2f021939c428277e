//! diesel's connections to SQLite as the database behind a publisher.
//!
//! [`Sqlite`] is a [`Database`](euryale_core::Database) whose connection is diesel's own
//! [`SqliteConnection`](diesel::SqliteConnection). Everything here runs in a worker.
//!
//! ```
//! use diesel::prelude::*;
//! use euryale_connection::Pool;
//! use euryale_diesel::Sqlite;
//!
//! diesel::table! { post (id) { id -> Integer, text -> Text } }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), euryale_core::BoxError> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("posts.db");
//! # let file = file.to_str().unwrap();
//! let create = "CREATE TABLE IF NOT EXISTS post (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
//! let database = Sqlite::open(file)?;
//! database.establish()?.batch_execute(create)?; // or diesel_migrations, on this connection
//! let pool = Pool::new(database, 8);
//! // Called again after a conflict.
//! pool.transaction(|transaction| {
//!     let insert = diesel::insert_into(post::table).values(post::text.eq("hello"));
//!     Ok(insert.execute(transaction.connection()?)?)
//! })
//! .await?;
//! let count = post::table.count();
//! let posts = pool.read(move |transaction| Ok(count.first::<i64>(transaction.connection()?)?));
//! assert_eq!(posts.await?, 1);
//! # Ok(())
//! # }
//! # use diesel::connection::SimpleConnection;
//! ```
//!
//! # What does a transaction do?
//!
//! A transaction that may write begins with `BEGIN IMMEDIATE`: it takes SQLite's write lock before
//! it reads. Otherwise two transactions that read and then write would make each other fail, and no
//! waiting could help ([SQLite: write transactions]). It waits for other writers for at most
//! [`busy_timeout`](Sqlite::busy_timeout), and never beyond its own deadline. A transaction that
//! only reads begins with `BEGIN` and never waits, because the file is in WAL mode.
//!
//! Transactions are begun and ended with diesel's own transaction manager, which counts them. So
//! `connection.transaction(..)` inside a publication is a savepoint, as diesel documents it.
//!
//! | error | fault |
//! |---|---|
//! | `database is locked`, `database table is locked` | conflict: retried by `ConflictPolicy`, else 503 |
//! | the deadline ended the wait for another writer; `interrupted` | elapsed: 504 |
//! | `database or disk is full` | full: 507 |
//! | `disk I/O error`, `unable to open database file`, `file is not a database`, `database disk image is malformed` | disconnected: the connection is dropped |
//!
//! diesel 2.3 has no kinds for these errors, so they are recognized by SQLite's
//! [messages](https://www.sqlite.org/c3ref/errcode.html).
//!
//! A running statement is not interrupted at the deadline, because diesel has no safe way to do
//! that. The transaction is aborted when the statement returns. `euryale-sqlite` interrupts.
//!
//! # PostgreSQL
//!
//! With the feature `postgres`, `postgres::Postgres` is a database whose connection is diesel's
//! `PgConnection`. The feature links the system's libpq (Debian: `libpq-dev`), so it is off by
//! default. `euryale-postgres` needs no libpq, and does more: a reader costs one round trip, a
//! running statement is cancelled at a stop, and a commit whose answer was lost is settled.
//!
//! Writers are `REPEATABLE READ`, like the transactions that only read. The time until the deadline
//! becomes the transaction's `statement_timeout`. A commit costs one round trip more than `COMMIT`,
//! because diesel reports a `COMMIT` that the server answered with a rollback as a success. A
//! connection that the server closed while it was idle, or whose server became read-only, is
//! replaced when a transaction begins, so that no request fails because of it.
//!
//! | error | fault |
//! |---|---|
//! | `SerializationFailure`, `deadlock detected` | conflict |
//! | `ReadOnlyTransaction` | conflict: the reader is published again as a writer |
//! | `canceling statement due to statement timeout` | elapsed: 504 |
//! | `… No space left on device` | full: 507 |
//! | `ClosedConnection`; a plan that must not change | disconnected: 503; in doubt at a commit |
//!
//! diesel has no kinds for deadlocks, time-outs and full disks. They are recognized by messages in
//! English, so `lc_messages` of the server must be `C` or English.
//!
//! # Building
//!
//! diesel links the system's SQLite. To compile SQLite into your program, add `libsqlite3-sys = {
//! version = "0.38", features = ["bundled"] }`. A program can have only one `libsqlite3-sys`: if it
//! also uses `euryale-sqlite`, cargo chooses a rusqlite that shares diesel's.
//!
//! # Errors
//!
//! [`OpenError`] if the file cannot be opened or set up, and [`diesel::result::Error`] otherwise.
//!
//! # Panics
//!
//! None of its own.
//!
//! [SQLite: write transactions]: https://www.sqlite.org/lang_transaction.html

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod book;
mod database;
mod depth;
mod error;
mod message;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

pub use self::book::DieselBook;
pub use self::error::{DeadlinePassed, OpenError, TransactionLeftOpen};
pub use self::sqlite::Sqlite;
