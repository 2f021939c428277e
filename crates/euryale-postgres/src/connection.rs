//! The connection that a publisher uses.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::transaction::{Access, Interrupt};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::Postgres;
use crate::book::PostgresBook;
use crate::error::Error;
use crate::marks::Mark;
use crate::postgres::{Options, State};
use crate::sqlstate::{Situation, is_stale_statement};
use crate::statements::{Prepared, Statements};
use crate::wire::{Failure, Wire};

/// The time that a dropped connection has to terminate its session.
const FAREWELL: Duration = Duration::from_millis(100);

/// The time that the server has to answer a query of this crate.
const ASK_WITHIN: Duration = Duration::from_secs(10);

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection to PostgreSQL, made by [`Postgres`](crate::Postgres). Its methods block, so use it
/// only in a worker.
///
/// Statements are prepared at their first use and kept by their text, for all transactions on this
/// connection ([`Postgres::statement_cache`](crate::Postgres::statement_cache)). Write parameters
/// as `$1`, `$2` and not into the text.
///
/// **A publisher must not end its transaction itself.** Use [`savepoint`](Self::savepoint) to undo
/// a part of it. A publisher that runs `COMMIT` or `ROLLBACK` fails with
/// [`TransactionEnded`](crate::TransactionEnded).
///
/// After a statement has failed, PostgreSQL refuses every other one until the end of the
/// transaction, or of the savepoint around it. Return the error with `?`: a publisher that ignores
/// it fails with [`TransactionEnded`](crate::TransactionEnded).
///
/// Keep no state in the session (`SET` without `LOCAL`, advisory locks of the session, temporary
/// tables, `LISTEN`): the connection serves other publications, and behind a pooler other programs.
pub struct Connection {
    /// `None` once the connection is being dropped.
    client: Option<Arc<Client>>,
    pub(crate) wire: Wire,
    statements: Statements,
    pub(crate) options: Options,
    pub(crate) book: Arc<PostgresBook>,
    pub(crate) state: Arc<State>,
    pub(crate) phase: Phase,
    pub(crate) access: Access,
    pub(crate) until: Option<Instant>,
    pub(crate) mark: Option<Mark>,
    /// Whether the session has the prepared statement that sets a mark.
    pub(crate) has_mark_statement: bool,
    pub(crate) begun: u64,
    pub(crate) ran_outside: bool,
    interrupt: Interrupt,
    pub(crate) epoch: u64,
}

/// The state of the connection's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No transaction is open.
    Free,
    /// A reader's `BEGIN` is sent with its first statement.
    Due,
    /// The transaction has begun.
    Open,
    /// The session's state is unknown, so the connection is dropped.
    Unknown,
}

impl Connection {
    pub(crate) fn new(
        client: Client,
        wire: Wire,
        database: &Postgres,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            client: Some(Arc::new(client)),
            wire,
            statements: Statements::with_room(database.options.statements),
            options: database.options,
            epoch: database.state.epoch(),
            book: Arc::clone(&database.book),
            state: Arc::clone(&database.state),
            phase: Phase::Free,
            access: Access::Read,
            until: None,
            mark: None,
            has_mark_statement: false,
            begun: 0,
            ran_outside: false,
            interrupt,
        }
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    /// [`Error`]: of the server, of the connection, or of a parameter.
    pub fn query(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        let client = self.client();
        match self.prepare(sql)? {
            Prepared::Named(statement) => self.run(Some(sql), client.query(&statement, parameters)),
            Prepared::Typed(types) => {
                let typed = with_types(parameters, &types);
                self.run(Some(sql), client.query_typed(sql, &typed))
            }
        }
    }

    /// Runs a query that must return exactly one row.
    ///
    /// # Errors
    /// As for [`query`](Self::query), and if there is no row or more than one.
    pub fn query_one(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Row, Error> {
        let client = self.client();
        match self.prepare(sql)? {
            Prepared::Named(statement) => {
                self.run(Some(sql), client.query_one(&statement, parameters))
            }
            Prepared::Typed(types) => {
                let typed = with_types(parameters, &types);
                self.run(Some(sql), client.query_typed_one(sql, &typed))
            }
        }
    }

    /// Runs a query that must return at most one row.
    ///
    /// # Errors
    /// As for [`query`](Self::query), and if there is more than one row.
    pub fn query_opt(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, Error> {
        let client = self.client();
        match self.prepare(sql)? {
            Prepared::Named(statement) => {
                self.run(Some(sql), client.query_opt(&statement, parameters))
            }
            Prepared::Typed(types) => {
                let typed = with_types(parameters, &types);
                self.run(Some(sql), client.query_typed_opt(sql, &typed))
            }
        }
    }

    /// Runs a statement and returns the number of rows that it changed.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    pub fn execute(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Error> {
        let client = self.client();
        match self.prepare(sql)? {
            Prepared::Named(statement) => {
                self.run(Some(sql), client.execute(&statement, parameters))
            }
            Prepared::Typed(types) => {
                let typed = with_types(parameters, &types);
                self.run(Some(sql), client.execute_typed(sql, &typed))
            }
        }
    }

    /// Runs one or more statements without parameters and without results, in one message.
    ///
    /// # Errors
    /// As for [`query`](Self::query). The statements after the failing one were not run.
    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        let client = self.client();
        self.run(None, client.batch_execute(sql))
    }

    /// Runs `f`. If it fails, its changes to the database are undone, and the transaction
    /// continues. Savepoints can be nested.
    ///
    /// # Errors
    /// Those of `f`, and of the savepoint itself.
    pub fn savepoint<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        // A savepoint of the same name hides the outer one until it is released.
        self.batch_execute("SAVEPOINT euryale")?;
        let result = f(self);
        let end = match &result {
            Ok(_) => "RELEASE SAVEPOINT euryale",
            Err(_) => "ROLLBACK TO SAVEPOINT euryale; RELEASE SAVEPOINT euryale",
        };
        match self.batch_execute(end) {
            // The first error says more than the second.
            Err(error) if result.is_ok() => Err(error.into()),
            _ => result,
        }
    }

    /// Returns the value of a query of this crate, which the server answers at once. An answer of
    /// another type is an error.
    pub(crate) fn ask<T: FromSqlOwned>(&mut self, sql: &str) -> Result<T, Error> {
        let before = self.until.replace(Instant::now() + ASK_WITHIN);
        let row = self.query_one(sql, &[]);
        self.until = before;
        row?.try_get(0).map_err(Error::unreadable)
    }

    /// Returns a parameter that the server has reported, for example `server_version`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.wire.parameter(name)
    }

    fn prepare(&mut self, sql: &str) -> Result<Prepared, Error> {
        if let Some(prepared) = self.statements.get(sql) {
            return Ok(prepared);
        }
        let prepared = if self.options.has_pooler {
            self.learn_types(sql)?
        } else {
            let client = self.client();
            Prepared::Named(self.run(Some(sql), client.prepare(sql))?)
        };
        self.book.prepared.add(1);
        self.statements.keep(sql, prepared.clone());
        Ok(prepared)
    }

    /// Prepares a statement to learn the types of its parameters, and closes it in the same
    /// transaction, because a pooler may change the session between two transactions.
    fn learn_types(&mut self, sql: &str) -> Result<Prepared, Error> {
        let is_outside = self.phase == Phase::Free;
        if is_outside {
            self.batch_execute("BEGIN")?;
        }
        let client = self.client();
        let statement = self.run(Some(sql), client.prepare(sql));
        let types = statement.map(|statement| statement.params().into());
        if is_outside {
            self.batch_execute("ROLLBACK")?;
        }
        types.map(Prepared::Typed)
    }

    pub(crate) fn run<T>(
        &mut self,
        sql: Option<&str>,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        let was_due = self.phase == Phase::Due;
        if self.phase == Phase::Free {
            self.ran_outside = true;
        }
        let result = self.wire.run(self.until, request);
        if !matches!(result, Err(Failure::Stopped)) {
            self.book.round_trips.add(1);
            if was_due {
                self.phase = Phase::Open;
            }
        }
        result.map_err(|failure| self.failed(sql, failure))
    }

    fn failed(&mut self, sql: Option<&str>, failure: Failure) -> Error {
        let error = Error::new(failure, self.situation(false));
        let Some(answer) = error.answer() else {
            return error;
        };
        let is_of_types = self.options.has_pooler && answer.code.starts_with("42");
        if let Some(sql) = sql
            && (is_stale_statement(answer) || is_of_types)
        {
            self.statements.forget(sql);
        }
        let is_demotion = answer.code == "25006" && self.access == Access::Write;
        if is_demotion && self.state.demoted(self.epoch) {
            self.book.demoted.add(1);
            tracing::warn!("a writer found PostgreSQL read-only: all connections are replaced");
        }
        error
    }

    pub(crate) fn situation(&self, committing: bool) -> Situation {
        Situation {
            access: self.access,
            committing,
            bounds_locks: self.options.lock_timeout.is_some(),
        }
    }

    /// A handle that outlives the borrow of this connection.
    pub(crate) fn client(&self) -> Arc<Client> {
        let client = self.client.as_ref();
        Arc::clone(client.expect("a connection has its client until it is dropped"))
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Returns whether the server of this connection still has its role.
    pub(crate) fn is_current(&self) -> bool {
        self.epoch == self.state.epoch()
    }

    /// Returns the number of prepared statements.
    pub(crate) fn prepared(&self) -> usize {
        self.statements.len()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.forget_preceding();
        // Without a client, the connection terminates its session once all answers have arrived.
        self.client = None;
        self.wire.close(FAREWELL);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("phase", &self.phase)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

fn with_types<'p>(
    parameters: Parameters<'p>,
    types: &[Type],
) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    let unknown = std::iter::repeat(Type::UNKNOWN);
    let types = types.iter().cloned().chain(unknown);
    parameters.iter().copied().zip(types).collect()
}
