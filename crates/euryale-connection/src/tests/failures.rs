//! Tests of every step of a transaction with every outcome and every behaviour of the client, with
//! one assertion at the end: the ledger is quiet.

use euryale_core::error::{
    APPLICATION, CONFLICT, Code, IN_DOUBT, PANICKED, PUBLISH_ELAPSED, UNAVAILABLE,
};
use euryale_core::transaction::{Fault, Settled};
use euryale_test::Behaviour::{Fail, Panic, Succeed, Wait};
use euryale_test::{Behaviour, CountingDatabase, Gate, Step, TestError, assert_quiet, eventually};

use super::Held;
use crate::{Pool, PoolBook};

/// The ways in which the job itself ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Commit,
    Error,
    Panic,
}

#[tokio::test]
async fn every_failure_of_every_step_leaves_the_ledger_quiet() {
    let behaviours: [fn(&Gate) -> Behaviour; 8] = [
        |_| Succeed,
        |_| Fail(Fault::Conflict),
        |_| Fail(Fault::Disconnected),
        |_| Fail(Fault::InDoubt),
        |_| Fail(Fault::Elapsed),
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

/// Returns the error code that the caller gets.
fn expected(step: Step, behaviour: &Behaviour, end: End) -> Option<Code> {
    let by_itself = match end {
        End::Commit => None,
        End::Error => Some(APPLICATION),
        End::Panic => Some(PANICKED),
    };
    match (step, behaviour) {
        (_, Succeed | Wait(_)) => by_itself,
        // These steps precede the job's own end.
        (Step::Connect | Step::Begin, Panic) => Some(PANICKED),
        (Step::Connect | Step::Begin, Fail(Fault::Conflict)) => Some(CONFLICT),
        (Step::Connect | Step::Begin, Fail(Fault::Elapsed)) => Some(PUBLISH_ELAPSED),
        (Step::Connect | Step::Begin, Fail(_)) => Some(UNAVAILABLE),
        (Step::Commit, _) if end != End::Commit => by_itself,
        (Step::Commit, Fail(Fault::Conflict)) => Some(CONFLICT),
        (Step::Commit, Fail(Fault::Disconnected | Fault::InDoubt) | Panic) => Some(IN_DOUBT),
        (Step::Commit, Fail(Fault::Elapsed)) => Some(PUBLISH_ELAPSED),
        (Step::Commit, Fail(_)) => Some(APPLICATION),
        // The outcome of the publisher counts, and not that of the abort.
        (Step::Abort, _) => by_itself,
    }
}

async fn one(step: Step, behaviour: &fn(&Gate) -> Behaviour, end: End, abandoned: bool) {
    let pool = Pool::new(CountingDatabase::new(), 1);
    pool.database().drop_in_workers_only();
    let started = Gate::new();
    let slow = Gate::new();
    let behaviour = behaviour(&slow);
    let case = format!("{step:?} {behaviour:?} {end:?} abandoned: {abandoned}");
    pool.database().script(step, [behaviour.clone()]);

    let job = tokio::spawn(pool.claim().transaction_once({
        let started = started.clone();
        move |transaction| {
            started.wait();
            transaction.connection()?;
            match end {
                End::Commit => Ok(()),
                End::Error => Err(TestError(Fault::Other).into()),
                // This avoids the panic hook's output in 192 cases.
                End::Panic => std::panic::resume_unwind(Box::new("as scripted")),
            }
        }
    }));
    eventually("it runs", || started.waiting() == 1).await;
    let comes_to_it = match step {
        Step::Connect | Step::Begin => true,
        Step::Commit => end == End::Commit,
        Step::Abort => end != End::Commit,
    };
    if matches!(behaviour, Wait(_)) && comes_to_it {
        started.open();
        eventually("it hangs in the step", || slow.waiting() == 1).await;
    }
    if abandoned {
        job.abort();
        assert!(job.await.unwrap_err().is_cancelled());
        started.open();
        slow.open();
    } else {
        started.open();
        slow.open();
        let code = job.await.unwrap().err().map(|error| error.code());
        assert_eq!(code, expected(step, &behaviour, end), "{case}");
    }
    // The next job runs on a clean connection, and the ledger is quiet.
    eventually("it has ended", || pool.status().running == 0).await;
    pool.database().clear_script();
    pool.transaction(|transaction| Ok(transaction.connection()?.id()))
        .await
        .expect(&case);
    assert_quiet(pool.ledger()).await;
    assert_eq!(
        pool.ledger().of::<PoolBook>().publishers.running.peak(),
        1,
        "{case}"
    );
    assert!(pool.database().open() <= 1, "{case}");
}

/// After a failover, all idle connections may lead to the lost server.
#[tokio::test]
async fn lost_commit_is_settled_on_a_new_connection() {
    let held = Held::new(Pool::new(CountingDatabase::new(), 2)).await;
    let pool = held.pool.clone();
    held.end().await;
    let database = pool.database();
    assert_eq!(database.open(), 2);
    database.settle_as(Settled::Committed);
    database.script(Step::Commit, [Fail(Fault::InDoubt)]);
    let begun = database.events().len();
    pool.transaction(|transaction| Ok(transaction.connection()?.id()))
        .await
        .unwrap();
    let story = database.events().split_off(begun).join(" · ");
    assert!(
        story.contains("commit · drop · connect · settle"),
        "{story}"
    );
    assert_eq!(database.open(), 2, "as many as before");
    assert_quiet(pool.ledger()).await;
}

/// The server may have no room for a new connection.
#[tokio::test]
async fn lost_commit_is_settled_on_an_idle_connection_if_no_new_one_can_be_made() {
    let held = Held::new(Pool::new(CountingDatabase::new(), 2)).await;
    let pool = held.pool.clone();
    held.end().await;
    let database = pool.database();
    database.settle_as(Settled::Committed);
    database.script(Step::Commit, [Fail(Fault::InDoubt)]);
    database.script(Step::Connect, [Fail(Fault::Other)]);
    let begun = database.events().len();
    pool.transaction(|transaction| Ok(transaction.connection()?.id()))
        .await
        .unwrap();
    let story = database.events().split_off(begun).join(" · ");
    let end = story.split_once("commit · drop · connect · ").unwrap().1;
    assert!(["settle 1", "settle 2"].contains(&end), "{story}");
    assert_eq!(database.open(), 1, "{story}");
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_pool_reports_whether_its_database_can_be_reached() {
    let database = CountingDatabase::new();
    let pool = Pool::new(database.clone(), 1);
    let read = || {
        pool.claim().read_once(|transaction| {
            transaction.connection()?;
            Ok(())
        })
    };
    assert!(pool.is_reachable(), "nobody has tried");
    for (step, fault, is_reachable) in [
        (Step::Connect, Fault::Other, false),
        (Step::Begin, Fault::Disconnected, false),
        (Step::Begin, Fault::Other, false),
        // Another program has locked the database, so it is reachable.
        (Step::Begin, Fault::Conflict, true),
    ] {
        if step == Step::Begin {
            read().await.unwrap();
        }
        database.script(step, [Fail(fault)]);
        read().await.unwrap_err();
        assert_eq!(pool.is_reachable(), is_reachable, "{step:?} {fault:?}");
        pool.run(|_| ()).await.unwrap();
        read().await.unwrap();
        assert!(pool.is_reachable(), "and it is found again");
    }
    let broken = pool.read(|transaction| {
        transaction.connection()?;
        Err::<(), _>(TestError(Fault::Disconnected).into())
    });
    broken.await.unwrap_err();
    assert!(!pool.is_reachable());
    // A job that does not use the database does not change the result.
    pool.read(|_| Ok(())).await.unwrap();
    assert!(!pool.is_reachable());
    read().await.unwrap();
    assert!(pool.is_reachable());
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_job_that_began_before_an_outage_does_not_end_it() {
    let database = CountingDatabase::new();
    let pool = Pool::new(database.clone(), 2);
    let gate = Gate::new();
    let early = pool.read({
        let gate = gate.clone();
        move |transaction| {
            transaction.connection()?;
            gate.wait();
            Ok(())
        }
    });
    let early = tokio::spawn(early);
    eventually("it has begun", || gate.waiting() == 1).await;
    database.script(Step::Connect, [Fail(Fault::Other)]);
    pool.run(|_| ()).await.unwrap_err();
    gate.open();
    early.await.unwrap().unwrap();
    assert!(!pool.is_reachable());
    pool.run(|_| ()).await.unwrap();
    assert_quiet(pool.ledger()).await;
}
