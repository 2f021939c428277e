//! Tasks that a transaction spawns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale_core::transaction::{Access, Attempt, History, Outcome, TransactionOptions};
use euryale_core::{Abort, Transaction};
use euryale_test::{CountingDatabase, Lender, assert_quiet};

/// Runs `f` in a transaction; true when it committed.
fn transact(
    lender: &mut Lender<CountingDatabase>,
    f: impl FnOnce(&mut Transaction<'_, CountingDatabase>) -> Result<(), Abort>,
) -> bool {
    let options = TransactionOptions::new(Attempt::new(History::default()), Access::Write);
    matches!(
        Transaction::run(&mut lender.lease(), options, f),
        Ok(Outcome::Committed(()))
    )
}

#[tokio::test]
async fn a_task_begins_after_the_commit_or_never() {
    let mut lender = Lender::new(CountingDatabase::new());
    let ran = Arc::new(AtomicUsize::new(0));
    let task = || {
        let ran = ran.clone();
        async move {
            ran.fetch_add(1, Ordering::SeqCst);
        }
    };
    assert!(transact(&mut lender, |transaction| {
        transaction.connection()?;
        transaction.spawn_after_commit(task());
        transaction
            .spawn_after_commit(async { std::panic::resume_unwind(Box::new("as scripted")) });
        Ok(())
    }));
    assert_eq!(
        lender.ledger().tasks.running.get(),
        2,
        "counted from the commit on"
    );
    assert!(!transact(&mut lender, |transaction| {
        transaction.connection()?;
        transaction.spawn_after_commit(task());
        Err(Abort::status(http::StatusCode::NOT_FOUND))
    }));
    assert_quiet(lender.ledger()).await;
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    let tasks = &lender.ledger().tasks;
    assert_eq!((tasks.spawned.get(), tasks.panic.get()), (2, 1));
}
