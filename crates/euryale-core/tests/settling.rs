//! Commits whose answer was lost: another connection finds out their outcome.

use euryale_core::error::{CONFLICT, IN_DOUBT, UNAVAILABLE};
use euryale_core::transaction::{
    Access, Attempt, DropReason, Fault, History, Participant, Settled, TransactionOptions,
};
use euryale_core::{BoxError, Error, Transaction};
use euryale_test::Behaviour::{Fail, Panic, Succeed};
use euryale_test::{CountingDatabase, Lender, Step};

struct Witness(CountingDatabase);

impl Participant for Witness {
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

    fn in_doubt(&mut self) {
        self.0.record("keep");
    }
}

/// Runs a transaction with a participant and a hook for each end.
fn write(lender: &mut Lender<CountingDatabase>, database: &CountingDatabase) -> Result<(), Error> {
    let options = TransactionOptions::new(Attempt::new(History::default()), Access::Write);
    let result = Transaction::run(&mut lender.lease(), options, |transaction| {
        transaction.connection()?;
        transaction.join(Witness(database.clone()));
        let after = database.clone();
        transaction.after_commit(move || after.record("after commit"));
        let after = database.clone();
        transaction.after_abort(move || after.record("after abort"));
        Ok(())
    });
    assert_eq!(lender.ledger().unsettled(), [""; 0]);
    result.map(drop)
}

#[test]
fn a_commit_whose_answer_was_lost_ends_as_the_database_says() {
    for (fault, settled) in [
        (Fail(Fault::InDoubt), Settled::Committed),
        (Fail(Fault::Disconnected), Settled::Aborted),
        (Panic, Settled::Committed),
        (Fail(Fault::InDoubt), Settled::Unknown),
    ] {
        let database = CountingDatabase::new();
        let mut lender = Lender::new(database.clone());
        database.settle_as(settled);
        database.script(Step::Commit, [fault]);
        // The server is unreachable for a moment, and breaks the connection once more.
        database.script(Step::Connect, [Succeed, Fail(Fault::Other), Succeed]);
        database.fail_to_settle(1);
        let code = write(&mut lender, &database)
            .err()
            .map(|error| error.code());
        let story = database.story();
        let asked = "connect · begin write · commit · drop · connect · connect · settle 1 · drop · \
            connect · settle 1 · ";
        let after = story.strip_prefix(asked).expect(&story);
        let transactions = &lender.ledger().transactions;
        let figures = [
            transactions.committed.get(),
            transactions.aborted.get(),
            transactions.in_doubt.get(),
            transactions.settled_committed.get(),
            transactions.settled_aborted.get(),
        ];
        let (expected_code, expected_figures, expected) = match settled {
            Settled::Committed => (None, [1, 0, 0, 1, 0], "finish · after commit"),
            Settled::Aborted => (Some(CONFLICT), [0, 1, 0, 0, 1], "undo · after abort"),
            Settled::Unknown => (Some(IN_DOUBT), [0, 0, 1, 0, 0], "drop · keep"),
        };
        assert_eq!(code, expected_code, "{settled:?}");
        assert_eq!(figures, expected_figures, "{settled:?}");
        assert_eq!(after, expected, "{settled:?}");
    }
}

#[test]
fn a_connection_lost_before_its_commit_is_no_doubt() {
    let database = CountingDatabase::new();
    let mut lender = Lender::new(database.clone());
    database.settle_as(Settled::Unknown);
    database.script(Step::Commit, [Fail(Fault::LostBeforeCommit)]);
    let error = write(&mut lender, &database).unwrap_err();
    assert_eq!(error.code(), UNAVAILABLE);
    let story = database.story();
    assert_eq!(
        story,
        "connect · begin write · commit · drop · undo · after abort"
    );
    assert_eq!(lender.ledger().transactions.aborted.get(), 1);
    assert_eq!(lender.dropped(DropReason::Disconnected), 1);
}
