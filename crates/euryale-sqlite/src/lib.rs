//! SQLite as the database behind a publisher: one file, many readers on snapshots, one writer at a
//! time.
//!
//! [`Sqlite`] is a `Database` for a pool. It stands at the innermost end of the onion: all of it
//! blocks, and a pool calls it only in a worker. [`Sqlite::open`] and [`Sqlite::migrate`] block
//! too; a program calls them before it starts to serve.
//!
//! # Example
//!
//! ```
//! use euryale_core::{Abort, Access, Body, Database, Request, Response, Transaction};
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
//! RelStorage on SQLite. Rows take the place of pickles; the conflict and its retry stay.
//!
//! # Snapshots and conflicts
//!
//! The file is in [WAL mode](https://www.sqlite.org/wal.html): readers never wait for the writer,
//! nor it for them.
//!
//! | `begin` | runs | what the transaction sees |
//! |---|---|---|
//! | `Access::Read` | `BEGIN DEFERRED` and a first read | the state when it began, to its end |
//! | `Access::Write` | `BEGIN IMMEDIATE` | the same, and nobody else can change it |
//!
//! A writer waits in `begin` for the one before it, at most for
//! [`busy_timeout`](Sqlite::busy_timeout).
//!
//! `BEGIN DEFERRED` alone [touches nothing](https://www.sqlite.org/lang_transaction.html): the
//! snapshot would be that of the publisher's first query, and an unreadable file would show only
//! there. The first read (a number from the file's header) brings both forward to `begin`.
//!
//! A reader may write: its first write asks for the lock. It gets it if nobody has committed since
//! it began and nobody writes now; otherwise SQLite answers
//! [`SQLITE_BUSY_SNAPSHOT`](https://www.sqlite.org/rescode.html#busy_snapshot) or
//! [`SQLITE_BUSY`](https://www.sqlite.org/rescode.html#busy) at once, whatever the time-out:
//! waiting could not help. Both are conflicts: the whole transaction is rolled back and published
//! again, then as a writer.
//!
//! # Errors
//!
//! | SQLite says | taken as | why |
//! |---|---|---|
//! | `BUSY`, `LOCKED` | conflict | another transaction was first |
//! | `IOERR`, `CANTOPEN`, `NOTADB`, `CORRUPT`, `READONLY_*` | disconnected | see below |
//! | `FULL` | full | the connection is sound; once there is room again, it writes again |
//! | `INTERRUPT` | elapsed | it was stopped; answered 504, never retried |
//! | all else | other | an error of the application's, or of its SQL |
//!
//! The file behind a connection may no longer be the one at its path, or no longer be readable
//! through it; only a new connection finds out. So a disconnected transaction is answered 503 and
//! its connection dropped: a file put back or a disk repaired is seen without a restart. After
//! `COMMIT` was sent, the same errors leave the transaction in doubt: its pages may be in the log,
//! and [recovery](https://www.sqlite.org/walformat.html) after a crash may find them complete.
//!
//! SQLite does not notice that its file was moved away or replaced ([How To Corrupt An SQLite
//! Database File](https://www.sqlite.org/howtocorrupt.html), §2.4): it would go on writing into the
//! old one. `begin` compares (on Unix; one `stat`), and drops the
//! connection then. Connecting never creates a file; only [`Sqlite::open`] does.
//!
//! # Panics
//!
//! None of its own.
//!
//! # Cancellation
//!
//! A pool stops a transaction whose deadline has passed, one that only reads and whose client has
//! disconnected, and what still runs when a drain times out. A progress handler, installed once
//! per connection, [asks every 1,000
//! steps](https://www.sqlite.org/c3ref/progress_handler.html) of SQLite's virtual machine whether
//! the current transaction is to stop: some ten microseconds of work. The statement then fails with
//! `SQLITE_INTERRUPT`, the transaction is rolled back, and the connection is kept. `COMMIT` and
//! `ROLLBACK` are never stopped. A writer that waits for another one gives up within 20 ms, or, if
//! the other one belongs to another process, at its deadline.
//!
//! **A step is not interrupted.** A call of an SQL function is one step, and so is the work that a
//! virtual table does for one row: `highlight()` and `snippet()` of FTS5 on a large text, a regular
//! expression, a function of the program's own. Neither is a commit, with its checkpoint. Bound
//! such work by its input.
//!
//! The progress handler of the connection is this crate's; a program that sets another one takes
//! this away. The cost is below what can be measured: `cargo bench -p euryale-sqlite` compares a
//! query of 200,000 rows with and without the handler.
//!
//! # Backpressure
//!
//! One writer at a time is SQLite's rule; the others wait in `begin` with worker and connection,
//! which is why [`busy_timeout`](Sqlite::busy_timeout) is short. The queue stands in the pool.
//!
//! # What a transaction has written
//!
//! A `before_commit` hook may ask [`has_written`](Connection::has_written), and with
//! [`Sqlite::write_sets`] also [`what`](Connection::write_set), and abort. A guard against pages
//! that write when they are only asked for:
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
//!                     // Or a page that asks to confirm.
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
//! # Beside other crates on SQLite
//!
//! Cargo allows one `libsqlite3-sys` in a lockfile, and each minor version of rusqlite has its own.
//! This crate therefore takes a range, rusqlite 0.39 to 0.41, so that Cargo finds one that fits
//! diesel or sqlx in the same workspace. It also means that there is only ever one rusqlite: the
//! types here are those of a program's own `rusqlite` dependency, through which it chooses the
//! version and rusqlite's features. Without one, use the re-exported [`rusqlite`].
//!
//! Feature `bundled` (default) compiles SQLite in. Without it the system's library is linked.
//!
//! # One state for several transactions
//!
//! With the feature `snapshot`, the passes of a request that waits for promises can see the state
//! that its first pass saw (`RepublishLayer::pin_snapshots`), although no connection is held
//! between them. It is for transactions that only read: a write would be refused with
//! `SQLITE_BUSY_SNAPSHOT`, so one that says that it writes sees the present.
//!
//! The state lives in the log, and a checkpoint that starts the log anew takes it away: then the
//! pass sees the present state, and the ledger counts it
//! (`euryale_promise_snapshots_total{outcome="gone"}`). SQLite also cannot name the state while
//! nothing has been written since the log was created, which the first connection does; that counts
//! as `unsupported`, as does everything without the feature. See
//! <https://www.sqlite.org/c3ref/snapshot_get.html>.
//!
//! SQLite must be compiled for it: set `LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_SNAPSHOT` in the
//! environment of the build, in `[env]` of `.cargo/config.toml` for one. A library cannot do that
//! for its users; without it, programs do not link.

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
