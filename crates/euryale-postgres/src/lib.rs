//! PostgreSQL as the database behind a publisher. A reader costs one round trip, each error of the
//! server has a defined meaning, and a commit whose answer was lost is settled.
//!
//! [`Postgres`] is a `Database` for a pool. It is innermost in the onion: it blocks, and a pool
//! calls it only in a worker. [`Postgres::open`], [`Postgres::migrate`] and [`Postgres::capacity`]
//! block too; call them before the program starts to serve.
//!
//! # Example
//!
//! ```no_run
//! use euryale_core::{Abort, Body, Request, Response, Transaction};
//! use euryale_postgres::Postgres;
//!
//! fn notes(_: &Request, transaction: &mut Transaction<'_, Postgres>) -> Result<Response, Abort> {
//!     let connection = transaction.connection()?;
//!     let first = connection.query_one("SELECT text FROM note ORDER BY id LIMIT 1", &[])?;
//!     let text: String = first.get("text");
//!     Ok(Response::new(Body::from(text)))
//! }
//! # fn is_publisher<P: euryale_core::Publisher<Postgres>>(_: P) {}
//!
//! # fn main() -> Result<(), euryale_core::BoxError> {
//! # is_publisher(notes);
//! let postgres = Postgres::open("postgres://site@db1,db2/site?target_session_attrs=read-write")?;
//! postgres.migrate(&["CREATE TABLE note (id bigserial PRIMARY KEY, text text NOT NULL)"])?;
//!
//! // 4 processes with a pool of 16, and one connection for this check.
//! let capacity = postgres.capacity(16 + 1, 4)?;
//! println!("{capacity}");
//! # Ok(())
//! # }
//! ```
//!
//! It replaces, from Zope: RelStorage on PostgreSQL. Rows replace pickles; conflicts and retries
//! work as before.
//!
//! # What does a transaction cost?
//!
//! | `begin` | sends | waits for |
//! |---|---|---|
//! | `Access::Read` | `BEGIN … READ ONLY` together with the first statement | that statement; the end is sent and not awaited |
//! | `Access::Write` | `BEGIN` | the server's answer, each statement, and the commit |
//!
//! A reader with an already prepared statement waits once. A writer's first statement is not sent
//! together with its `BEGIN`: if `BEGIN` failed, the statement would run without a transaction.
//! Statements are prepared at their first use, and kept by their text for as long as the connection
//! lives.
//!
//! The worker itself drives the connection: a wait is one `poll(2)`, and no other thread wakes up.
//!
//! # Isolation
//!
//! Both kinds of transactions are `REPEATABLE READ` ([`Postgres::isolation`],
//! [`Postgres::reader_isolation`]): all statements see one state, and a write to a row that was
//! changed since is a conflict, after which the request is published again. With PostgreSQL's own
//! default, `READ COMMITTED`, a publisher that reads a number, increments it and writes it back
//! loses the increments of others.
//!
//! A reader that writes is refused by the server (`25006`) and published again as a writer.
//!
//! # Errors
//!
//! | SQLSTATE | fault | why |
//! |---|---|---|
//! | `40001`, `40P01` | conflict | another transaction came first, or two waited for each other |
//! | `55P03` | conflict | only with [`Postgres::lock_timeout`]; otherwise the statement's own `NOWAIT` |
//! | `25006` in a reader | conflict | published again as a writer |
//! | `25006` in a writer | disconnected | the server is no longer a primary; every connection to it is replaced |
//! | `57014` | elapsed | the deadline; answered 504, never retried |
//! | `53100` | full | the connection is sound; once there is room again, it writes again |
//! | `0A000` of a prepared plan, `26000` | conflict | a table was altered; the statement is prepared again |
//! | class 08, severity `FATAL`, the socket's end | disconnected | answered 503; after `COMMIT` was sent, in doubt |
//! | all others | other | an error in the application or its SQL |
//!
//! After a failed statement PostgreSQL answers `COMMIT` with a rollback. A publisher that ignored
//! the error fails with [`TransactionEnded`], and nothing was committed.
//!
//! A connection is checked, without waiting, before it is used again. If its server has restarted
//! or lost its role, the connection is replaced without any effect on a request.
//!
//! # What happens when the answer to a commit is lost?
//!
//! A writer's commit leaves a mark, a row with a unique key in the table `euryale_commit`. It is
//! inserted in the message that commits, so it costs no round trip, by a statement that each
//! session prepares behind its first such commit. If the connection breaks before the answer, the
//! pool opens another one and inserts the same key. If the key is there, the transaction was
//! committed, and the request goes on. If not, the key is there now and the commit can no longer
//! succeed, even if it is still on its way: the transaction counts as a conflict and is published
//! again. While no server can be reached or the server is starting up, this is repeated for 30 s,
//! and other requests are answered 503. After that the answer is a 500, which no proxy sends again,
//! and the ledger counts the transaction as in doubt.
//!
//! Marks are removed after an hour by the processes that commit: each process removes at most
//! 20,000 every 10 s, behind a commit, and takes at most 1 s for it. [`Postgres::migrate`] creates
//! the table; if other tools migrate the schema, call [`Postgres::create_marks`].
//! [`Postgres::settle`] turns marks off. A failover to an asynchronous standby may lose commits
//! that were already confirmed; no client can detect that.
//!
//! # Panics
//!
//! None of its own.
//!
//! # Cancellation
//!
//! The time that is left when a transaction begins is its `statement_timeout`. PostgreSQL applies
//! it to each statement separately: the server ends the first statement at the deadline, but later
//! ones may run beyond it. So a pool that stops a transaction, at its deadline or earlier, sends a
//! cancel, from a separate thread and on another connection. All cancels together use at most one
//! socket beyond the pool's. A cancel that arrives before its statement is lost, so it is sent
//! again until the statement ends. One may also arrive late, so the connection is dropped
//! afterwards. If the server does not answer at all, the connection is given up two seconds after
//! the deadline, or after the stop.
//!
//! A commit is never stopped. Its connection is given up only if another writer has found that the
//! server is a primary no longer, because such a server may wait for the standby that took its
//! place. The commit is then settled on the new primary.
//!
//! A dropped connection terminates its session, which takes at most 100 ms.
//!
//! # Backpressure
//!
//! The queue is in the pool. The server's limit on connections is shared by all processes:
//! [`Postgres::capacity`] compares the two when a program starts.
//!
//! # Connecting
//!
//! [`Postgres::open`] reads the same settings as libpq: a URL or pairs, several hosts with
//! `target_session_attrs`, the environment variables, and the password file. Not supported are
//! client certificates, Kerberos, services and `options`. `connect_timeout` is 5 s unless it is
//! set, since a worker waits; keepalives find a dead peer within 25 s.
//!
//! Behind PgBouncer in transaction mode, add `pooler=transaction` to the URL: no statement keeps
//! its name after its transaction, and the end of a reader is awaited. Each statement is then
//! planned every time. Types of your own (enums, domains, composites) are not supported there.
//!
//! With the feature `tls`, `sslmode` is as in libpq, up to `verify-full` with `sslrootcert`. The
//! program chooses rustls' crypto provider: call `CryptoProvider::install_default`. Connections
//! through Unix sockets are never encrypted.
//!
//! # A session has no state
//!
//! Except for prepared statements, this crate leaves nothing in a session that outlives a
//! transaction, and neither should a publisher, because the connection serves other publications.
//! Put settings that a role needs into the role (`ALTER ROLE … SET …`).

#![forbid(unsafe_code)]

mod book;
mod cancel;
mod capacity;
mod connect;
mod connection;
mod database;
mod error;
mod marks;
mod migrate;
mod open_error;
mod postgres;
mod settings;
mod socket;
mod sqlstate;
mod statements;
#[cfg(test)]
mod tests;
mod tls;
mod transaction;
mod wire;

pub use tokio_postgres;

pub use self::book::PostgresBook;
pub use self::capacity::Capacity;
pub use self::connection::Connection;
pub use self::error::{Error, TransactionEnded};
pub use self::migrate::MigrateError;
pub use self::open_error::OpenError;
pub use self::postgres::{Isolation, Postgres};
pub use self::settings::SettingsError;
