//! The life of a transaction: the order of its events, and what each failure does to it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use euryale_core::body::NoDescriptor;
use euryale_core::error::{
    APPLICATION, CLIENT_GONE, CONFLICT, Class, Code, IN_DOUBT, NO_DESCRIPTOR, PANICKED, Pending,
    STORAGE_FULL, SUSPENDED, UNAVAILABLE,
};
use euryale_core::transaction::{
    Access, Attempt, Begin, DropReason, Fault, History, Outcome, Participant, TransactionOptions,
};
use euryale_core::{Abort, Body, BoxError, Error, OrAbort, Response, Transaction};
use euryale_test::Behaviour::{Fail, Panic};
use euryale_test::{CountingDatabase, Lender, Step, TestError};

type Tx<'a> = Transaction<'a, CountingDatabase>;

/// A lender, its database, and transactions in it.
struct Bench {
    database: CountingDatabase,
    lender: Lender<CountingDatabase>,
}

impl Bench {
    fn new() -> Self {
        let database = CountingDatabase::new();
        Self {
            lender: Lender::new(database.clone()),
            database,
        }
    }

    fn run_as<T>(
        &mut self,
        options: TransactionOptions,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        let result = Transaction::run(&mut self.lender.lease(), options, f);
        assert_eq!(
            self.lender.ledger().unsettled(),
            [""; 0],
            "every transaction ends"
        );
        result
    }

    fn run<T>(
        &mut self,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, Abort>,
    ) -> Result<Outcome<T>, Error> {
        self.run_as(writing(), f)
    }

    /// Runs a transaction that uses everything, so that all of its events are recorded.
    fn full(
        &mut self,
        end: impl FnOnce(&mut Tx<'_>) -> Result<&'static str, Abort>,
    ) -> Result<Outcome<&'static str>, Error> {
        let database = self.database.clone();
        self.run(move |transaction| {
            transaction.connection()?;
            transaction.attempt().gate({
                let database = database.clone();
                move |_: &Attempt| {
                    database.record("gate");
                    Ok(())
                }
            });
            transaction.before_commit({
                let database = database.clone();
                move |_| {
                    database.record("before");
                    Ok(())
                }
            });
            transaction.join(Witness {
                name: "",
                database: database.clone(),
                vote: Ok(()),
                finish: Ok(()),
            });
            let after = database.clone();
            transaction.after_commit(move || after.record("after commit"));
            let after = database.clone();
            transaction.after_abort(move || after.record("after abort"));
            database.record("publish");
            end(transaction)
        })
    }
}

fn writing() -> TransactionOptions {
    TransactionOptions::new(Attempt::new(History::default()), Access::Write)
}

fn reading() -> TransactionOptions {
    TransactionOptions::new(Attempt::new(History::default()), Access::Read)
}

struct Witness {
    name: &'static str,
    database: CountingDatabase,
    vote: Result<(), Fault>,
    finish: Result<(), Fault>,
}

impl Witness {
    fn say(&self, what: &str) {
        self.database.record(format!("{what}{}", self.name));
    }
}

impl Participant for Witness {
    fn vote(&mut self) -> Result<(), BoxError> {
        self.say("vote");
        self.vote.map_err(|fault| TestError(fault).into())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.say("finish");
        self.finish.map_err(|fault| TestError(fault).into())
    }

    fn abort(&mut self) {
        self.say("undo");
    }

    fn in_doubt(&mut self) {
        self.say("keep");
    }
}

#[test]
fn the_order_of_events() {
    let begun = "connect · begin write · publish";
    let voted = "connect · begin write · publish · gate · before · vote";
    type End = fn(&mut Tx<'_>) -> Result<&'static str, Abort>;
    type Case = (
        &'static str,
        Option<(Step, euryale_test::Behaviour)>,
        End,
        String,
        Option<Code>,
    );
    let ok: End = |_| Ok("done");
    let cases: [Case; 13] = [
        (
            "success",
            None,
            ok,
            format!("{voted} · commit · finish · after commit"),
            None,
        ),
        (
            "error",
            None,
            |_| Err(TestError(Fault::Other).into()),
            format!("{begun} · abort · undo · after abort"),
            Some(APPLICATION),
        ),
        (
            "conflict",
            None,
            |_| Err(TestError(Fault::Conflict).into()),
            format!("{begun} · abort · undo · after abort"),
            Some(CONFLICT),
        ),
        (
            "a broken connection",
            None,
            |_| Err(TestError(Fault::Disconnected).into()),
            format!("{begun} · drop · undo · after abort"),
            Some(UNAVAILABLE),
        ),
        (
            "a response",
            None,
            |_| Err(Abort::status(http::StatusCode::NOT_FOUND)),
            format!("{begun} · abort · undo · after abort"),
            None,
        ),
        (
            "suspension",
            None,
            |_| Err(Pending::new(1).into()),
            format!("{begun} · abort · undo · after abort"),
            Some(SUSPENDED),
        ),
        (
            "doom",
            None,
            |transaction| {
                transaction.doom();
                Ok("done")
            },
            format!("{begun} · gate · abort · undo · after abort"),
            None,
        ),
        (
            "panic",
            None,
            |_| panic!("as scripted"),
            format!("{begun} · abort · undo · after abort · drop"),
            Some(PANICKED),
        ),
        (
            "a gate that says no",
            None,
            |transaction| {
                transaction
                    .attempt()
                    .gate(|_: &Attempt| Err(Pending::new(1).into()));
                Ok("done")
            },
            format!("{begun} · gate · abort · undo · after abort"),
            Some(SUSPENDED),
        ),
        (
            "commit refused",
            Some((Step::Commit, Fail(Fault::Conflict))),
            ok,
            format!("{voted} · commit · abort · undo · after abort"),
            Some(CONFLICT),
        ),
        (
            "commit in doubt",
            Some((Step::Commit, Fail(Fault::InDoubt))),
            ok,
            format!("{voted} · commit · drop · keep"),
            Some(IN_DOUBT),
        ),
        (
            "disconnected in commit",
            Some((Step::Commit, Fail(Fault::Disconnected))),
            ok,
            format!("{voted} · commit · drop · keep"),
            Some(IN_DOUBT),
        ),
        (
            "panic in commit",
            Some((Step::Commit, Panic)),
            ok,
            format!("{voted} · commit · drop · keep"),
            Some(IN_DOUBT),
        ),
    ];
    for (name, script, end, story, code) in cases {
        let mut bench = Bench::new();
        if let Some((step, behaviour)) = script {
            bench.database.script(step, [behaviour]);
        }
        let result = bench.full(end);
        assert_eq!(bench.database.story(), story, "{name}");
        assert_eq!(result.err().map(|error| error.code()), code, "{name}");
    }
}

#[test]
fn a_failed_abort_costs_the_connection() {
    for behaviour in [Fail(Fault::Other), Panic] {
        let mut bench = Bench::new();
        bench.database.script(Step::Abort, [behaviour]);
        let error = bench
            .full(|_| Err(TestError(Fault::Other).into()))
            .unwrap_err();
        assert_eq!(
            error.code(),
            APPLICATION,
            "what the publisher met, not what the abort met"
        );
        assert_eq!(bench.lender.dropped(DropReason::Abort), 1);
        assert!(!bench.lender.is_connected());
    }
}

#[test]
fn a_database_that_cannot_be_reached() {
    for (step, behaviour, code, connected) in [
        (Step::Connect, Fail(Fault::Other), UNAVAILABLE, false),
        (Step::Begin, Fail(Fault::Other), UNAVAILABLE, false),
        (Step::Begin, Fail(Fault::Disconnected), UNAVAILABLE, false),
        // A busy database does not make the connection faulty.
        (Step::Begin, Fail(Fault::Conflict), CONFLICT, true),
        (Step::Connect, Panic, PANICKED, false),
        (Step::Begin, Panic, PANICKED, false),
    ] {
        let mut bench = Bench::new();
        bench.database.script(step, [behaviour.clone()]);
        let error = bench.full(|_| Ok("never")).unwrap_err();
        assert_eq!(error.code(), code, "{step:?} {behaviour:?}");
        assert_eq!(
            bench.lender.is_connected(),
            connected,
            "{step:?} {behaviour:?}"
        );
        assert_eq!(bench.lender.ledger().transactions.begun.get(), 0);
        bench.full(|_| Ok("the next one is served")).unwrap();
    }
}

#[test]
fn a_publisher_that_never_calls_connection_opens_none() {
    let mut bench = Bench::new();
    bench.run(|_| Ok(())).unwrap();
    assert_eq!(bench.database.story(), "");
    assert_eq!(bench.lender.ledger().transactions.begun.get(), 0);
}

/// An application's own error around the database's.
#[derive(Debug)]
struct Wrapped(TestError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not save the page")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_conflict_is_found_in_the_chain() {
    let mut bench = Bench::new();
    let error = bench
        .full(|_| Err(Wrapped(TestError(Fault::Conflict)).into()))
        .unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    let boxed: Result<&str, BoxError> = Err(Box::new(Wrapped(TestError(Fault::Conflict))));
    let error = bench.full(|_| boxed.or_abort()).unwrap_err();
    assert_eq!(error.code(), CONFLICT);
    assert_eq!(
        error.source().unwrap().to_string(),
        "could not save the page",
        "the chain is kept for the log"
    );
}

#[test]
fn a_reader_that_meets_a_conflict_has_written() {
    let mut bench = Bench::new();
    let error = bench.run_as(reading(), |transaction| {
        transaction.connection()?;
        Err::<(), _>(TestError(Fault::Conflict).into())
    });
    assert!(
        error.unwrap_err().wrote(),
        "the next attempt begins as a writer"
    );
    assert_eq!(bench.database.story(), "connect · begin read · abort");

    bench
        .run_as(reading(), |transaction| {
            transaction.writable()?;
            transaction.connection()?;
            Ok(())
        })
        .unwrap();
    assert_eq!(
        bench.database.story(),
        "begin write · commit",
        "declared in time"
    );

    let error = bench.run_as(reading(), |transaction| {
        transaction.connection()?;
        Ok(transaction.writable()?)
    });
    let error = error.unwrap_err();
    assert_eq!(
        (error.code(), error.wrote()),
        (CONFLICT, true),
        "declared too late: again, as a writer"
    );
}

#[test]
fn a_reader_that_declares_a_write_in_time_begins_as_a_writer() {
    let mut bench = Bench::new();
    bench
        .run_as(reading(), |transaction| {
            transaction.writable()?;
            transaction.connection()?;
            Ok(transaction.writable()?)
        })
        .unwrap();
    assert_eq!(
        bench.database.story(),
        "connect · begin write · commit",
        "and may say so again"
    );

    bench
        .run_as(reading(), |transaction| Ok(transaction.writable()?))
        .unwrap();
    assert_eq!(bench.database.story(), "", "to say so costs no connection");

    bench
        .run(|transaction| {
            transaction.connection()?;
            Ok(transaction.writable()?)
        })
        .unwrap();
    assert_eq!(
        bench.database.story(),
        "begin write · commit",
        "a writer may always say so"
    );
}

#[test]
fn a_reader_that_declares_a_write_too_late_is_published_again() {
    let mut bench = Bench::new();
    let too_late = |transaction: &mut Tx<'_>| {
        transaction.connection()?;
        transaction
            .writable()
            .map_err(|late| Box::new(late) as BoxError)
            .or_abort()
    };
    let error = bench.run_as(reading(), too_late).unwrap_err();
    assert_eq!((error.code(), error.wrote()), (CONFLICT, true));
    assert_eq!(bench.database.story(), "connect · begin read · abort");

    // As the outer layers do it: the request's history makes its next attempt a writer.
    let history = History::default().after_conflict(error.wrote());
    let access = history.access(&http::Method::GET);
    bench
        .run_as(
            TransactionOptions::new(Attempt::new(history), access),
            too_late,
        )
        .unwrap();
    assert_eq!(bench.database.story(), "begin write · commit");

    let deaf = bench.run_as(reading(), |transaction| {
        transaction.connection()?;
        let _ = transaction.writable();
        Ok(())
    });
    assert!(
        matches!(deaf, Ok(Outcome::Committed(()))),
        "who does not pass it on stays a reader: {deaf:?}"
    );
    assert_eq!(bench.database.story(), "begin read · commit");
}

#[test]
fn a_reader_that_could_not_begin_may_still_become_a_writer() {
    let mut bench = Bench::new();
    bench.database.script(Step::Begin, [Fail(Fault::Conflict)]);
    bench
        .run_as(reading(), |transaction| {
            assert!(transaction.connection().is_err(), "the database is busy");
            transaction.writable()?;
            transaction.connection()?;
            Ok(())
        })
        .unwrap();
    assert_eq!(
        bench.database.story(),
        "connect · begin read · begin write · commit"
    );
}

#[test]
fn a_declared_write_outlives_its_attempt() {
    let fails = |fault: Fault| {
        move |transaction: &mut Tx<'_>| {
            transaction.writable()?;
            transaction.connection()?;
            Err::<(), _>(TestError(fault).into())
        }
    };
    for fault in [Fault::Conflict, Fault::Disconnected, Fault::Other] {
        let error = Bench::new().run_as(reading(), fails(fault)).unwrap_err();
        assert!(error.wrote(), "{fault:?}");
    }
    let suspended = Bench::new().run_as(reading(), |transaction| {
        transaction.writable()?;
        Err::<(), _>(Pending::new(1).into())
    });
    assert!(suspended.unwrap_err().wrote(), "between two passes, too");
    let unsaid = Bench::new().run_as(reading(), |_| Err::<(), _>(TestError(Fault::Other).into()));
    assert!(!unsaid.unwrap_err().wrote());
    // A request that has written before stays a writer, whatever this attempt did.
    let wrote = Attempt::new(History::default().after_conflict(true).after_suspension());
    let error = Bench::new().run_as(TransactionOptions::new(wrote, Access::Write), |_| {
        Err::<(), _>(TestError(Fault::Conflict).into())
    });
    assert!(error.unwrap_err().wrote());
}

#[test]
fn a_vote_against_aborts_all() {
    let mut bench = Bench::new();
    let database = bench.database.clone();
    let witness = |name, vote| Witness {
        name,
        database: database.clone(),
        vote,
        finish: Ok(()),
    };
    let result = bench.run(|transaction| {
        transaction.connection()?;
        transaction.join(witness(" 1", Ok(())));
        transaction.join(witness(" 2", Err(Fault::Other)));
        transaction.join(witness(" 3", Ok(())));
        Ok(())
    });
    assert_eq!(result.unwrap_err().code(), APPLICATION);
    assert_eq!(
        database.story(),
        "connect · begin write · vote 1 · vote 2 · abort · undo 1 · undo 2 · undo 3"
    );
}

#[test]
fn a_lack_of_descriptors_is_distinguished_from_other_failures() {
    let mut bench = Bench::new();
    // EMFILE and ENFILE, and a budget that is used up.
    let failures = [
        io::Error::from_raw_os_error(24),
        io::Error::from_raw_os_error(23),
        NoDescriptor.into(),
    ];
    for failure in failures {
        let error = bench.full(move |_| Err(failure.into())).unwrap_err();
        assert_eq!(error.code(), NO_DESCRIPTOR, "{error:?}");
    }
    let error = bench.full(|_| Err(NoDescriptor.into())).unwrap_err();
    assert_eq!(error.code(), NO_DESCRIPTOR);
    assert_eq!(
        error.class().status(),
        http::StatusCode::SERVICE_UNAVAILABLE
    );
}

#[test]
fn a_full_disk_is_reported_by_the_database_or_the_system() {
    let mut bench = Bench::new();
    let error = bench
        .full(|_| Err(Wrapped(TestError(Fault::Full)).into()))
        .unwrap_err();
    assert_eq!(error.code(), STORAGE_FULL);
    let error = bench
        .full(|_| Err(io::Error::from(io::ErrorKind::StorageFull).into()))
        .unwrap_err();
    assert_eq!(
        error.code(),
        STORAGE_FULL,
        "what stands beside the database"
    );
    let error = bench
        .full(|_| Err(io::Error::from(io::ErrorKind::NotFound).into()))
        .unwrap_err();
    assert_eq!(error.code(), APPLICATION);

    bench.database.script(Step::Commit, [Fail(Fault::Full)]);
    bench.database.story();
    assert_eq!(bench.full(|_| Ok("")).unwrap_err().code(), STORAGE_FULL);
    let story = bench.database.story();
    assert!(
        story.ends_with("commit · abort · undo · after abort"),
        "refused, not in doubt: {story}"
    );
    assert!(bench.lender.is_connected(), "the connection is sound");
}

#[test]
fn a_failure_after_the_commit_fails_nothing() {
    let mut bench = Bench::new();
    let database = bench.database.clone();
    let result = bench.run(|transaction| {
        transaction.connection()?;
        let finish = Err(Fault::Conflict);
        transaction.join(Witness {
            name: "",
            database: database.clone(),
            vote: Ok(()),
            finish,
        });
        transaction.after_commit(|| panic!("a hook"));
        let database = database.clone();
        transaction.after_commit(move || database.record("the next hook"));
        Ok("committed")
    });
    assert!(
        matches!(result, Ok(Outcome::Committed("committed"))),
        "not even a conflict is retried now: {result:?}"
    );
    assert_eq!(
        database.story(),
        "connect · begin write · vote · commit · finish · the next hook"
    );
    let transactions = &bench.lender.ledger().transactions;
    assert_eq!(
        (
            transactions.finish_failures.get(),
            transactions.hook_failures.get()
        ),
        (1, 1)
    );
}

#[test]
fn hooks_before_the_commit_may_abort_and_add_hooks() {
    let mut bench = Bench::new();
    let database = bench.database.clone();
    let result = bench.run(|transaction| {
        transaction.before_commit(move |transaction| {
            transaction.connection()?;
            database.record("first");
            transaction.before_commit(|_| Err(Abort::status(http::StatusCode::FORBIDDEN)));
            Ok(())
        });
        Ok(())
    });
    let Ok(Outcome::Refused(response)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(response.status(), http::StatusCode::FORBIDDEN);
    assert_eq!(
        bench.database.story(),
        "connect · begin write · first · abort"
    );

    let error = bench.run(|transaction| {
        transaction.connection()?;
        transaction.before_commit(|_| panic!("a hook"));
        Ok(())
    });
    assert_eq!(error.unwrap_err().code(), PANICKED);
    assert_eq!(bench.database.story(), "begin write · abort · drop");
}

#[test]
fn abort_if_gone_is_asked_once_before_the_votes() {
    let mut bench = Bench::new();
    bench.lender.client_is_gone();
    assert!(
        bench
            .full(|transaction| Ok(if transaction.client_is_gone() {
                "gone"
            } else {
                "here"
            }))
            .is_ok()
    );
    bench.database.story();
    let error = bench.run_as(writing().abort_if_gone(true), |transaction| {
        transaction.connection()?;
        Ok(())
    });
    assert_eq!(error.unwrap_err().code(), CLIENT_GONE);
    assert_eq!(bench.database.story(), "begin write · abort");
}

#[test]
fn an_attempt_keeps_its_own_slots() {
    let attempt = Attempt::new(
        History::default()
            .after_conflict(false)
            .after_suspension()
            .after_suspension(),
    );
    assert_eq!((attempt.number(), attempt.pass()), (2, 3));
    attempt.with(|asked: &mut Vec<&str>| asked.push("feed"));
    assert_eq!(
        attempt.clone().with(|asked: &mut Vec<&str>| asked.len()),
        1,
        "a clone is the same attempt"
    );
    assert_eq!(
        Attempt::new(attempt.history()).with(|asked: &mut Vec<&str>| asked.len()),
        0,
        "a new one is fresh"
    );
}

/// A code of another crate.
const QUEUE_FULL: Code = Code::new(Class::Busy, "test.queue_full", "the queue is full");

#[test]
fn an_error_of_our_own_keeps_its_code() {
    let mut bench = Bench::new();
    let error = bench
        .run(|_| Err::<(), _>(Error::new(QUEUE_FULL).into()))
        .unwrap_err();
    assert_eq!(error.code(), QUEUE_FULL, "of a nested call, say");
    let response = Response::new(Body::from("teapot"));
    let mut refused = Error::refused(response);
    assert!(refused.take_pending().is_none() && refused.take_response().is_some());
}

/// A participant whose `Drop` panics, and one that counts.
struct Bomb(CountingDatabase);

impl Participant for Bomb {
    fn vote(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.0.record("finish");
        Ok(())
    }

    fn abort(&mut self) {
        self.0.record("undo");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("in drop"));
    }
}

#[test]
fn a_participant_that_panics_when_it_is_dropped_does_not_stop_the_others() {
    for (doomed, story) in [
        (false, "commit · finish · finish · hook"),
        (true, "abort · undo · undo"),
    ] {
        let mut bench = Bench::new();
        let database = bench.database.clone();
        let result = bench.run(|transaction| {
            transaction.connection()?;
            for _ in 0..2 {
                transaction.join(Bomb(database.clone()));
            }
            let hook = database.clone();
            transaction.after_commit(move || hook.record("hook"));
            if doomed {
                transaction.doom();
            }
            Ok(())
        });
        assert!(result.is_ok());
        assert_eq!(
            bench.database.story(),
            format!("connect · begin write · {story}")
        );
    }
}

/// A database that panics when it is asked about an error.
#[derive(Clone)]
struct Perplexed(CountingDatabase);

impl euryale_core::Database for Perplexed {
    type Connection = euryale_test::Connection;

    fn connect(&self) -> Result<Self::Connection, BoxError> {
        self.0.connect()
    }

    fn begin(&self, connection: &mut Self::Connection, begin: Begin) -> Result<(), BoxError> {
        self.0.begin(connection, begin)
    }

    fn commit(&self, connection: &mut Self::Connection) -> Result<(), BoxError> {
        self.0.commit(connection)
    }

    fn abort(&self, connection: &mut Self::Connection) -> Result<(), BoxError> {
        self.0.abort(connection)
    }

    fn classify(&self, _: &(dyn StdError + 'static)) -> Fault {
        std::panic::resume_unwind(Box::new("what is this"))
    }
}

#[test]
fn an_error_that_cannot_be_classified_is_a_doubt_after_the_commit_was_sent() {
    let database = CountingDatabase::new();
    let mut lender = Lender::new(Perplexed(database.clone()));
    database.script(Step::Commit, [Fail(Fault::Other)]);
    let witness = Witness {
        name: "",
        database: database.clone(),
        vote: Ok(()),
        finish: Ok(()),
    };
    let error = Transaction::run(&mut lender.lease(), writing(), |transaction| {
        transaction.connection()?;
        transaction.join(witness);
        Ok(())
    });
    assert_eq!(error.unwrap_err().code(), IN_DOUBT);
    assert_eq!(
        database.story(),
        "connect · begin write · vote · commit · drop · keep"
    );
    let error = Transaction::run(&mut lender.lease(), writing(), |transaction| {
        transaction.connection()?;
        Err::<(), _>(TestError(Fault::Conflict).into())
    });
    assert_eq!(
        error.unwrap_err().code(),
        APPLICATION,
        "before it, an error"
    );
    assert!(lender.ledger().unsettled().is_empty());
}

#[test]
fn a_gate_added_by_a_hook_is_asked_too() {
    let mut bench = Bench::new();
    let result = bench.run(|transaction| {
        transaction.connection()?;
        transaction.before_commit(|transaction| {
            transaction
                .attempt()
                .gate(|_: &Attempt| Err(Abort::status(http::StatusCode::CONFLICT)));
            Ok(())
        });
        Ok(())
    });
    assert!(matches!(result, Ok(Outcome::Refused(_))), "{result:?}");
    assert_eq!(bench.database.story(), "connect · begin write · abort");
}

#[test]
fn the_response_of_a_nested_refusal_is_the_answer() {
    let mut bench = Bench::new();
    let result = bench.run(|_| Err::<(), _>(Error::refused(Response::new(Body::empty())).into()));
    assert!(matches!(result, Ok(Outcome::Refused(_))), "{result:?}");
}

#[test]
fn foreign_errors_come_in_a_box_and_ours_come_out_of_it() {
    let boxed: BoxError = Box::new(Error::new(QUEUE_FULL));
    assert_eq!(Error::from(boxed).code(), QUEUE_FULL);
    assert_eq!(Error::from(BoxError::from("elapsed")).code(), APPLICATION);
}
