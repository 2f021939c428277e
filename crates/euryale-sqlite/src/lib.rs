//! SQLite as the database behind a publisher: one file, many readers on snapshots, one writer at a
//! time.
//!
//! [`Sqlite`] is a `Database` for a pool. It is innermost in the onion: all of it blocks, and a
//! pool calls it only in a worker. [`Sqlite::open`] and [`Sqlite::migrate`] block too; call them
//! before the program starts to serve.
//!
//! # Example
//!
//! ```
//! use euryale_core::transaction::Access;
//! use euryale_core::{Abort, Body, Database, Request, Response, Transaction};
//! use euryale_sqlite::Sqlite;
//!
//! fn notes(_: &Request, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
//!     let connection = transaction.connection()?;
//!     let mut first = connection.prepare_cached("SELECT text FROM note ORDER BY rowid LIMIT 1")?;
//!     let text: String = first.query_row([], |row| row.get(0))?;
//!     Ok(Response::new(Body::from(text)))
//! }
//! # fn is_publisher<P: euryale_core::Publisher<Sqlite>>(_: P) {}
//!
//! # fn main() -> Result<(), euryale_core::BoxError> {
//! # is_publisher(notes);
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("site.db");
//! let sqlite = Sqlite::open(path)?.cache_size(16 * 1024);
//! sqlite.migrate(&["CREATE TABLE note (text TEXT NOT NULL) STRICT"])?;
//!
//! // What a pool does around a publisher:
//! let mut connection = sqlite.connect()?;
//! sqlite.begin(&mut connection, Access::Write.into())?;
//! connection.execute("INSERT INTO note VALUES (?1)", ["hello"])?;
//! sqlite.commit(&mut connection)?;
//!
//! let written: i64 = connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0))?;
//! assert_eq!(written, 1);
//! # Ok(())
//! # }
//! ```
//!
//! It replaces, from Zope: `FileStorage` (one file beside the program, nothing to administer) and
//! RelStorage on SQLite. Rows replace pickles; conflicts and retries work as before.
//!
//! # Snapshots and conflicts
//!
//! The file is in [WAL mode](https://www.sqlite.org/wal.html): readers never wait for the writer,
//! and the writer never waits for them.
//!
//! | `begin` | runs | what the transaction sees |
//! |---|---|---|
//! | `Access::Read` | `BEGIN DEFERRED` and a first read | the state at its beginning, until its end |
//! | `Access::Write` | `BEGIN IMMEDIATE` | the same, and no other transaction can change it |
//!
//! A writer waits in `begin` for the current one, for at most
//! [`busy_timeout`](Sqlite::busy_timeout).
//!
//! `BEGIN DEFERRED` alone [touches nothing](https://www.sqlite.org/lang_transaction.html): the
//! snapshot would be taken at the publisher's first query, and an unreadable file would be noticed
//! only then. A first read (of a number in the file's header) moves both into `begin`.
//!
//! A reader may write: its first write requests the lock. It gets the lock if nothing has been
//! committed since it began and no other transaction is writing; otherwise SQLite answers
//! [`SQLITE_BUSY_SNAPSHOT`](https://www.sqlite.org/rescode.html#busy_snapshot) or
//! [`SQLITE_BUSY`](https://www.sqlite.org/rescode.html#busy) at once, whatever the time-out is,
//! because waiting could not help. Both are conflicts: the transaction is rolled back, and the
//! request is published again as a writer.
//!
//! # Errors
//!
//! | SQLite's code | fault | why |
//! |---|---|---|
//! | `BUSY`, `LOCKED` | conflict | another transaction came first |
//! | `IOERR`, `CANTOPEN`, `NOTADB`, `CORRUPT`, `READONLY_*` | disconnected | see below |
//! | `FULL` | full | the connection is sound; once there is room again, it writes again |
//! | `INTERRUPT` | elapsed | the transaction was stopped; answered 504, never retried |
//! | all others | other | an error in the application or its SQL |
//!
//! The file behind a connection may no longer be the file at its path, or no longer be readable;
//! only a new connection can tell. So a disconnected transaction is answered 503 and its connection
//! is dropped. A restored file or a repaired disk is then used without a restart. After `COMMIT`
//! has been sent, the same errors leave the transaction in doubt, because its pages may be in the
//! log, and [recovery](https://www.sqlite.org/walformat.html) after a crash may find them complete.
//!
//! SQLite does not notice when its file is moved away or replaced ([How To Corrupt An SQLite
//! Database File](https://www.sqlite.org/howtocorrupt.html), §2.4): it would keep writing to the
//! old file. `begin` compares the two (on Unix, with one `stat`) and drops the connection if they
//! differ. Connecting never creates a file; only [`Sqlite::open`] does.
//!
//! # Panics
//!
//! None of its own.
//!
//! # Cancellation
//!
//! A pool stops a transaction when its deadline passes, when it only reads and its client
//! disconnects, and when a drain times out. A progress handler, installed once per connection,
//! [asks every 1,000 steps](https://www.sqlite.org/c3ref/progress_handler.html) of SQLite's virtual
//! machine whether the current transaction should stop; 1,000 steps take some ten microseconds. The
//! statement then fails with `SQLITE_INTERRUPT`, the transaction is rolled back, and the connection
//! is kept. `COMMIT` and `ROLLBACK` are never stopped. A writer that waits for another writer gives
//! up within 20 ms, or at its deadline if the other one belongs to another process.
//!
//! **A single step is not interrupted.** A call of an SQL function is one step, and so is the work
//! of a virtual table for one row: `highlight()` and `snippet()` of FTS5 on a large text, a regular
//! expression, or a function of your program. A commit with its checkpoint is not interrupted
//! either. Bound such work by limiting its input.
//!
//! This crate uses the connection's progress handler; a program that sets another one disables
//! interruption. The cost is too small to measure: `cargo bench -p euryale-sqlite` compares a query
//! of 200,000 rows with and without the handler.
//!
//! # Backpressure
//!
//! SQLite allows one writer at a time. The others wait in `begin` and hold a worker and a
//! connection, which is why [`busy_timeout`](Sqlite::busy_timeout) is short. The long queue is in
//! the pool, where requests hold neither.
//!
//! # How can a hook see what was written?
//!
//! A `before_commit` hook can call [`has_written`](Connection::has_written), and with
//! [`Sqlite::write_sets`] also [`write_set`](Connection::write_set), and abort the transaction.
//! This hook guards against pages that write on a safe request:
//!
//! ```
//! use euryale_core::{Abort, Publisher, Request, Response, Transaction};
//! use euryale_sqlite::Sqlite;
//!
//! struct Guarded<P>(P);
//!
//! impl<P: Publisher<Sqlite>> Publisher<Sqlite> for Guarded<P> {
//!     fn publish(
//!         &self,
//!         request: &Request,
//!         transaction: &mut Transaction<'_, Sqlite>,
//!     ) -> Result<Response, Abort> {
//!         if request.method().is_safe() {
//!             transaction.before_commit(|transaction| {
//!                 if transaction.declared_writable() || !transaction.has_begun() {
//!                     return Ok(());
//!                 }
//!                 if transaction.connection()?.has_written() {
//!                     // Or return a page that asks for confirmation.
//!                     return Err(Abort::status(http::StatusCode::FORBIDDEN));
//!                 }
//!                 Ok(())
//!             });
//!         }
//!         self.0.publish(request, transaction)
//!     }
//! }
//! # fn is_publisher<P: Publisher<Sqlite>>(_: P) {}
//! # is_publisher(Guarded(euryale_core::publisher_fn::<Sqlite, _>(|_, _| {
//! #     Err(Abort::status(http::StatusCode::OK))
//! # })));
//! ```
//!
//! # Can it share SQLite with diesel or sqlx?
//!
//! Cargo allows one `libsqlite3-sys` in a lockfile, and each minor version of rusqlite has its own.
//! This crate therefore takes a range, rusqlite 0.39 to 0.41, so that Cargo finds one that fits
//! diesel or sqlx in the same workspace. There is then only one rusqlite in the program: the types
//! here are those of your own `rusqlite` dependency, by which you choose the version and rusqlite's
//! features. Without such a dependency, use the re-exported [`rusqlite`].
//!
//! The feature `bundled` (default) compiles SQLite into the program. Without it, the system's
//! library is linked.
//!
//! # Can several transactions see one state?
//!
//! With the feature `snapshot`, the passes of a request that waits for promises can see the state
//! that its first pass saw (`RepublishLayer::pin_snapshots`), although no connection is held
//! between them. This works only for read-only transactions. A write would be refused with
//! `SQLITE_BUSY_SNAPSHOT`, so a transaction that declares that it writes sees the current state.
//!
//! The state is kept in the write-ahead log, and a checkpoint that restarts the log discards it.
//! The pass then sees the current state, and the ledger counts it
//! (`euryale_promise_snapshots_total{outcome="gone"}`). SQLite cannot provide a snapshot before
//! anything has been written to a new log, which the first connection creates. That counts as
//! `unsupported`, and so does every attempt without the feature. See
//! <https://www.sqlite.org/c3ref/snapshot_get.html>.
//!
//! SQLite must be compiled with this feature: set `LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_SNAPSHOT` in
//! the environment of the build, for example in `[env]` of `.cargo/config.toml`. A library cannot
//! set this for its users; without it, programs do not link.

#![cfg_attr(not(feature = "snapshot"), forbid(unsafe_code))]
#![cfg_attr(feature = "snapshot", deny(unsafe_code))]

mod connection;
mod database;
mod error;
mod file;
mod migrate;
mod phase;
#[cfg(feature = "snapshot")]
mod snapshot;
mod sqlite;
#[cfg(test)]
mod tests;
mod turn;
mod written;

pub use rusqlite;

pub use self::connection::Connection;
pub use self::error::{FileReplaced, OpenError, TransactionEnded};
pub use self::migrate::MigrateError;
pub use self::sqlite::{Sqlite, Synchronous};
pub use self::written::{Rows, WriteSet};
