//! Every step of a transaction × every way it can go × every way the client can go: one assertion at the end,
//! the ledger.

use euryale_core::{ErrorKind, Fault};
use euryale_test::Behaviour::{Fail, Panic, Succeed, Wait};
use euryale_test::{Behaviour, CountingDatabase, Gate, Step, TestError, assert_quiet, eventually};

use crate::Pool;

/// How the job itself ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Commit,
    Error,
    Panic,
}

#[tokio::test]
async fn the_product_of_failures() {
    let behaviours: [fn(&Gate) -> Behaviour; 7] = [
        |_| Succeed,
        |_| Fail(Fault::Conflict),
        |_| Fail(Fault::Disconnected),
        |_| Fail(Fault::InDoubt),
        |_| Fail(Fault::Other),
        |_| Panic,
        |gate| Wait(gate.clone()),
    ];
    for step in [Step::Connect, Step::Begin, Step::Commit, Step::Abort] {
        for behaviour in &behaviours {
            for end in [End::Commit, End::Error, End::Panic] {
                for abandoned in [false, true] {
                    one(step, behaviour, end, abandoned).await;
                }
            }
        }
    }
}

async fn one(step: Step, behaviour: &fn(&Gate) -> Behaviour, end: End, abandoned: bool) {
    let pool = Pool::new(CountingDatabase::new(), 1);
    pool.database().drop_in_workers_only();
    let (started, slow) = (Gate::new(), Gate::new());
    let behaviour = behaviour(&slow);
    let case = format!("{step:?} {behaviour:?} {end:?} abandoned: {abandoned}");
    pool.database().script(step, [behaviour]);

    let job = tokio::spawn(pool.transaction({
        let started = started.clone();
        move |transaction| {
            started.wait();
            transaction.connection()?;
            match end {
                End::Commit => Ok(()),
                End::Error => Err(TestError(Fault::Other).into()),
                // Without the panic hook's noise in 168 cases.
                End::Panic => std::panic::resume_unwind(Box::new("as scripted")),
            }
        }
    }));
    eventually("it runs", || started.waiting() == 1).await;
    if abandoned {
        job.abort();
        assert!(job.await.unwrap_err().is_cancelled());
        started.open();
        slow.open();
    } else {
        started.open();
        slow.open();
        let kind = job.await.unwrap().err().map(|error| error.kind());
        assert_ne!(kind, Some(ErrorKind::Closed), "{case}");
    }
    eventually("it has ended", || pool.status().running == 0).await;
    pool.database().clear_script();
    // The next job is served, on a clean connection, and all is accounted for.
    pool.transaction(|transaction| Ok(transaction.connection()?.id())).await.expect(&case);
    assert_quiet(pool.ledger()).await;
    assert_eq!(pool.ledger().publishers.running.peak(), 1, "{case}");
    assert!(pool.database().open() <= 1, "{case}");
}
