//! Begins and ends transactions on a connection.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::BoxError;
use euryale_core::transaction::{Access, Begin, Settled};

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::connection::{Connection, Phase};
use crate::error::{Error, TransactionEnded};
use crate::marks::{Mark, PRUNE, prepare};
use crate::postgres::Isolation;
use crate::sqlstate::is_stale_statement;
use crate::wire::Failure;

/// The maximum time for the server to roll back, or to end a reader.
const ROLL_BACK_WITHIN: Duration = Duration::from_secs(5);

/// The maximum time for the server to answer whether a commit took place. After that it is asked
/// again.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);

/// The server ends a transaction whose client is silent for this time. Marks are kept twice as
/// long, so a commit that arrives after its mark was removed finds no transaction.
const SILENCE: &str = "30min";

/// The SQLSTATE of the warning that there is no transaction to end.
const NO_TRANSACTION: &str = "25P01";

impl Connection {
    /// Begins a transaction. A reader's `BEGIN` is sent with its first statement. A writer's is
    /// awaited, because if it failed, a statement that was sent with it would run without a
    /// transaction.
    pub(crate) fn begin(&mut self, begin: Begin) -> Result<(), Error> {
        self.access = begin.access;
        self.until = begin.deadline;
        self.mark = None;
        self.begun += 1;
        let sql = self.begin_sql(begin);
        let client = self.client();
        let request = async move { client.batch_execute(&sql).await };
        match begin.access {
            Access::Read => {
                self.wire.precede(request);
                self.phase = Phase::Due;
            }
            Access::Write => {
                // The transaction is not open yet, and the connection must not be used if this
                // fails.
                self.phase = Phase::Unknown;
                self.run(None, request)?;
                self.phase = Phase::Open;
            }
        }
        Ok(())
    }

    fn begin_sql(&self, begin: Begin) -> String {
        let (isolation, mode) = match begin.access {
            Access::Read => (self.options.reader_isolation, " READ ONLY"),
            // A server that has lost its role reports that at the first write.
            Access::Write => (self.options.isolation, ""),
        };
        let mut sql = format!("BEGIN ISOLATION LEVEL {}{mode}", isolation.sql());
        if let Some(deadline) = begin.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let millis = left.as_millis().clamp(1, i32::MAX as u128);
            let _ = write!(sql, "; SET LOCAL statement_timeout = {millis}");
        }
        if begin.access == Access::Write {
            let _ = write!(
                sql,
                "; SET LOCAL idle_in_transaction_session_timeout = '{SILENCE}'"
            );
            if let Some(lock_timeout) = self.options.lock_timeout {
                let millis = lock_timeout.as_millis().clamp(1, i32::MAX as u128);
                let _ = write!(sql, "; SET LOCAL lock_timeout = {millis}");
            }
        }
        sql
    }

    pub(crate) fn commit(&mut self) -> Result<(), BoxError> {
        match (self.phase, self.access) {
            // There was no statement, so nothing was sent.
            (Phase::Due, _) => {
                self.wire.forget_preceding();
                self.phase = Phase::Free;
                Ok(())
            }
            (Phase::Open, Access::Read) => self.end_reading("COMMIT"),
            (Phase::Open, Access::Write) => self.commit_writing(),
            (Phase::Free | Phase::Unknown, _) => Err(TransactionEnded(None).into()),
        }
    }

    /// Ends a reader. Its end is not awaited, because it has nothing to lose, unless the server may
    /// refuse it.
    fn end_reading(&mut self, sql: &'static str) -> Result<(), BoxError> {
        let client = self.client();
        let may_fail = self.options.reader_isolation == Isolation::Serializable;
        if may_fail || self.options.has_pooler {
            self.until = Some(Instant::now() + ROLL_BACK_WITHIN);
            self.run(None, client.batch_execute(sql))
                .map_err(Error::of_reader)?;
        } else {
            self.wire.send(client.batch_execute(sql));
        }
        self.phase = Phase::Free;
        Ok(())
    }

    fn commit_writing(&mut self) -> Result<(), BoxError> {
        // A former primary must not commit what its successor does not have.
        if self.wire.has_ended() || !self.is_current() {
            return Err(Error::not_sent().into());
        }
        let is_marked = self.options.settle && self.state.has_marks();
        let mark = is_marked.then(Mark::next);
        // If a commit waits for a standby, a time-out would not stop the commit, only its wait. The
        // statement before it also fails in a failed transaction, where `COMMIT` alone would cause
        // a rollback without an error.
        let mut sql = String::from("SET LOCAL statement_timeout = 0; ");
        match mark {
            Some(mark) => sql.push_str(&mark.commit(self.has_mark_statement)),
            None => sql.push_str("COMMIT"),
        }
        self.mark = mark;
        let sent = self.wire.sent();
        self.wire.take_warnings();
        let client = self.client();
        self.book.round_trips.add(1);
        let state = Arc::clone(&self.state);
        let epoch = self.epoch;
        let is_current = || epoch == state.epoch();
        let committed = self.wire.commit(is_current, client.batch_execute(&sql));
        match committed {
            Ok(()) => {
                self.phase = Phase::Free;
                let warnings = self.wire.take_warnings();
                let has_ended = |code: &str| code == NO_TRANSACTION;
                if warnings
                    .iter()
                    .any(|warning| has_ended(warning.code().code()))
                {
                    return Err(TransactionEnded(None).into());
                }
                if mark.is_some() {
                    self.follow_up(&client);
                }
                Ok(())
            }
            Err(failure) => {
                let is_answer =
                    matches!(&failure, Failure::Failed { error, .. } if error.code().is_some());
                let error = Error::new(failure, self.situation(true));
                if error.answer().is_some_and(is_stale_statement) {
                    // Somebody has run `DEALLOCATE ALL` or `DISCARD ALL` on this connection.
                    self.has_mark_statement = false;
                }
                if !is_answer && self.wire.sent() == sent {
                    return Err(Error::not_sent().into());
                }
                if error.answer().is_some_and(|answer| answer.code == "25P02") {
                    return Err(TransactionEnded(Some(error)).into());
                }
                Err(error.into())
            }
        }
    }

    /// Sends what belongs behind a marked commit, and does not wait for the answers.
    fn follow_up(&mut self, client: &Client) {
        // Behind a pooler, other clients would find the statement in the session.
        if !self.has_mark_statement && !self.options.has_pooler {
            self.wire.send(client.batch_execute(&prepare()));
            self.has_mark_statement = true;
        }
        if self.state.is_time_to_prune() {
            self.wire.send(client.batch_execute(PRUNE));
        }
    }

    /// Finds out whether the commit with this mark took place, or makes sure that it never does.
    pub(crate) fn settle(&mut self, mark: Mark) -> Result<Settled, BoxError> {
        let until = Instant::now() + SETTLE_WITHIN;
        let client = self.client();
        let messages = self
            .wire
            .run(Some(until), client.simple_query(&mark.settle()))
            .map_err(|failure| Error::new(failure, self.situation(false)))?;
        // The row shows whether the mark was set by the commit itself, or by an attempt to settle
        // it, perhaps an earlier one.
        let settled = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
            _ => None,
        });
        match settled {
            Some("0") => Ok(Settled::Committed),
            Some("1") => Ok(Settled::Aborted),
            _ => Err("the mark of a commit is neither there nor can it be set".into()),
        }
    }

    pub(crate) fn abort(&mut self) -> Result<(), BoxError> {
        if self.phase == Phase::Due {
            self.wire.forget_preceding();
            self.phase = Phase::Free;
            return Ok(());
        }
        if self.phase == Phase::Free || self.wire.has_ended() {
            return Ok(());
        }
        if self.access == Access::Read {
            return self.end_reading("ROLLBACK");
        }
        self.until = Some(Instant::now() + ROLL_BACK_WITHIN);
        let client = self.client();
        self.run(None, client.batch_execute("ROLLBACK"))?;
        self.phase = Phase::Free;
        Ok(())
    }

    /// Returns whether the connection can serve another job.
    pub(crate) fn is_reusable(&mut self) -> bool {
        self.until = None;
        if self.phase != Phase::Free || !self.is_current() {
            return false;
        }
        // A job without a pool's transaction may have left its own transaction open.
        if std::mem::take(&mut self.ran_outside) && !self.is_outside_transaction() {
            return false;
        }
        self.wire.is_open()
    }

    fn is_outside_transaction(&mut self) -> bool {
        self.until = Some(Instant::now() + ROLL_BACK_WITHIN);
        self.wire.take_warnings();
        let client = self.client();
        let rolled_back = self.wire.run(self.until, client.batch_execute("ROLLBACK"));
        self.until = None;
        let warnings = self.wire.take_warnings();
        let was_outside = warnings
            .iter()
            .any(|warning| warning.code().code() == NO_TRANSACTION);
        rolled_back.is_ok() && was_outside
    }
}
