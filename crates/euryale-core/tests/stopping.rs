//! A transaction that is stopped, step by step, in the thread that runs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use euryale_core::error::{CLIENT_GONE, CLOSED, Code, PUBLISH_ELAPSED, Pending};
use euryale_core::transaction::{
    Access, Attempt, DropReason, Fault, History, Outcome, Participant, Stopped, Switch,
    TransactionOptions,
};
use euryale_core::{Abort, BoxError, Error, Transaction};
use euryale_test::{CountingDatabase, Gate, Lender, TestError};

type Tx<'a> = Transaction<'a, CountingDatabase>;

struct Bench {
    database: CountingDatabase,
    lender: Lender<CountingDatabase>,
}

impl Bench {
    fn new() -> Self {
        let database = CountingDatabase::new();
        database.interrupt_by_flag();
        Self {
            lender: Lender::new(database.clone()),
            database,
        }
    }

    fn run<T>(
        &mut self,
        access: Access,
        f: impl FnOnce(&mut Tx<'_>, &Switch) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        let switch = self.lender.switch();
        let options = TransactionOptions::new(Attempt::new(History::default()), access);
        let ended = Transaction::run(&mut self.lender.lease(), options, |transaction| {
            f(transaction, &switch)
        });
        assert!(self.lender.ledger().unsettled().is_empty());
        ended
    }
}

fn code<T: std::fmt::Debug>(ended: Result<Outcome<T>, Error>) -> Code {
    ended.expect_err("the transaction was stopped").code()
}

#[test]
fn each_reason_has_its_answer() {
    for (why, code_of_answer) in [
        (Stopped::Deadline, PUBLISH_ELAPSED),
        (Stopped::ClientGone, CLIENT_GONE),
        (Stopped::Drain, CLOSED),
    ] {
        let mut bench = Bench::new();
        let ended = bench.run(Access::Write, |transaction, switch| {
            let connection = transaction.connection()?;
            switch.fire(why);
            Ok(connection.run_until_stopped()?)
        });
        assert_eq!(code(ended), code_of_answer);
        assert_eq!(
            bench.database.story(),
            "connect · begin write · statement · abort"
        );
        assert!(
            bench.lender.is_connected(),
            "{why:?}: the connection is sound"
        );

        bench.lender.next_job(None);
        let next = bench.run(Access::Write, |transaction, _| {
            Ok(transaction.connection()?.id())
        });
        assert!(matches!(next, Ok(Outcome::Committed(1))));
    }
}

/// The ways in which a publisher may handle the error: its own error, a conflict, a suspension.
#[test]
fn a_stopped_transaction_is_not_retried() {
    let ends: [fn() -> Abort; 3] = [
        || Abort::error("the search failed"),
        || TestError(Fault::Conflict).into(),
        || Pending::new(()).into(),
    ];
    for end in ends {
        let mut bench = Bench::new();
        let ended = bench.run(Access::Read, |transaction, switch| {
            transaction.connection()?;
            switch.fire(Stopped::Deadline);
            Err::<(), _>(end())
        });
        assert_eq!(code(ended), PUBLISH_ELAPSED);
        assert_eq!(bench.database.story(), "connect · begin read · abort");
        assert_eq!(bench.lender.ledger().transactions.stopped.deadline.get(), 1);
    }
}

#[test]
fn a_job_that_was_stopped_in_advance_is_never_published() {
    let mut bench = Bench::new();
    bench.lender.switch().fire(Stopped::Drain);
    let ended = bench.run(Access::Write, |_, _| -> Result<(), Abort> {
        panic!("published")
    });
    assert_eq!(code(ended), CLOSED);
    assert_eq!(bench.database.story(), "");
}

#[test]
fn a_transaction_without_a_connection_is_stopped_too() {
    let mut bench = Bench::new();
    let ended = bench.run(Access::Read, |transaction, switch| {
        switch.fire(Stopped::ClientGone);
        assert!(transaction.connection().is_err());
        Ok(())
    });
    assert_eq!(code(ended), CLIENT_GONE);
    assert_eq!(bench.database.story(), "connect", "nothing was begun");
}

struct Voter {
    database: CountingDatabase,
    switch: Arc<Switch>,
}

impl Participant for Voter {
    fn vote(&mut self) -> Result<(), BoxError> {
        self.database.record("vote");
        self.switch.fire(Stopped::Deadline);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.database.record("finish");
        self.switch.fire(Stopped::Deadline);
        Ok(())
    }

    fn abort(&mut self) {
        self.database.record("told abort");
    }
}

#[test]
fn an_ignored_error_is_found_before_the_votes() {
    let mut bench = Bench::new();
    let database = bench.database.clone();
    let voter = Voter {
        database,
        switch: Arc::new(Switch::new(false)),
    };
    let ended = bench.run(Access::Write, |transaction, switch| {
        transaction.join(voter);
        let connection = transaction.connection()?;
        switch.fire(Stopped::Deadline);
        let _ = connection.run_until_stopped();
        Ok(())
    });
    assert_eq!(code(ended), PUBLISH_ELAPSED);
    assert_eq!(
        bench.database.story(),
        "connect · begin write · statement · abort · told abort"
    );
}

#[test]
fn a_transaction_stopped_by_a_slow_vote_does_not_commit() {
    let mut bench = Bench::new();
    let voter = Voter {
        database: bench.database.clone(),
        switch: bench.lender.switch(),
    };
    let ended = bench.run(Access::Write, |transaction, _| {
        transaction.join(voter);
        transaction.connection()?;
        Ok(())
    });
    assert_eq!(code(ended), PUBLISH_ELAPSED);
    assert_eq!(
        bench.database.story(),
        "connect · begin write · vote · abort · told abort"
    );
}

#[test]
fn nothing_stops_what_has_committed() {
    let mut bench = Bench::new();
    let voter = Voter {
        database: bench.database.clone(),
        switch: Arc::new(Switch::new(false)),
    };
    let switch = bench.lender.switch();
    let ended = bench.run(Access::Write, |transaction, _| {
        transaction.join(voter);
        transaction.after_commit(move || assert!(!switch.fire(Stopped::Deadline)));
        transaction.connection()?;
        Ok(7)
    });
    assert!(matches!(ended, Ok(Outcome::Committed(7))));
    assert_eq!(bench.lender.ledger().transactions.hook_failures.get(), 0);
}

/// The thread that watches the deadline may be late.
#[test]
fn nothing_commits_after_its_deadline() {
    for (deadline, commits) in [
        (Instant::now(), false),
        (Instant::now() + Duration::from_secs(3600), true),
    ] {
        let mut bench = Bench::new();
        bench.lender.next_job(Some(deadline));
        let ended = bench.run(Access::Write, |transaction, _| {
            transaction.connection()?;
            Ok(())
        });
        assert_eq!(ended.is_ok(), commits);
        if let Err(error) = ended {
            assert_eq!(error.code(), PUBLISH_ELAPSED);
        }
    }
}

#[test]
fn a_call_that_may_be_late_costs_the_connection() {
    let mut bench = Bench::new();
    let gate = Gate::new();
    gate.open();
    bench.database.interrupt_by_call(&gate);
    let ended = bench.run(Access::Write, |transaction, switch| {
        let connection = transaction.connection()?;
        switch.fire(Stopped::Deadline);
        Ok(connection.run_until_stopped()?)
    });
    assert_eq!(code(ended), PUBLISH_ELAPSED);
    assert_eq!(bench.lender.dropped(DropReason::Interrupted), 1);
    assert_eq!(
        bench.database.story(),
        "connect · begin write · interrupt 1 · statement · drop"
    );
}

#[test]
fn a_time_out_of_the_database_is_answered_504() {
    let mut bench = Bench::new();
    let ended = bench.run(Access::Write, |transaction, _| {
        transaction.connection()?;
        Err::<(), _>(TestError(Fault::Elapsed).into())
    });
    assert_eq!(code(ended), PUBLISH_ELAPSED);
    assert!(bench.lender.is_connected());
    assert_eq!(
        bench.lender.ledger().transactions.stopped.statement.get(),
        1
    );
}

#[test]
fn registered_methods_begin_with_the_access_of_the_registry() {
    for (method, access) in [
        ("GET", Access::Read),
        ("HEAD", Access::Read),
        ("PROPFIND", Access::Read),
        ("QUERY", Access::Read),
        ("QUERY", Access::Read),
        ("REPORT", Access::Read),
        ("SEARCH", Access::Read),
        ("POST", Access::Write),
        ("PROPPATCH", Access::Write),
        ("LOCK", Access::Write),
        ("get", Access::Write),
    ] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(Access::of(&method), access, "{method}");
    }
}
