//! Tests of the lists of running jobs and their ages.

use std::time::Duration;

use euryale_core::request::Route;
use euryale_core::transaction::{Claim, History, Phase, Publication};
use euryale_core::{Abort, Error, Request};
use euryale_test::{Behaviour, CountingDatabase, Gate, Step, assert_quiet, eventually};
use tokio::time::advance;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::pool;
use crate::{ConnectionLimitLayer, Pool, PoolClaim};

const SECOND: Duration = Duration::from_secs(1);

/// Returns lane, route, attempt and pass of all running jobs.
fn held(pool: &Pool<CountingDatabase>) -> Vec<(Option<String>, Option<String>, u32, u32)> {
    let holders = pool.status().holders;
    let text = |holder: &crate::Holder| {
        let lane = holder.lane.as_deref();
        let route = holder.route.as_ref().map(Route::name);
        (
            lane.map(str::to_owned),
            route.map(str::to_owned),
            holder.attempt,
            holder.pass,
        )
    };
    holders.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_are_named_by_route_and_lane_the_longest_first() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(3)
        .lane("reports", 1)
        .build();
    let gate = Gate::new();
    let layer = ConnectionLimitLayer::new(pool.clone())
        .lane(pool.lane("reports").unwrap(), |request| {
            request.uri().path() == "/report"
        });
    let at = gate.clone();
    let service = ServiceBuilder::new().layer(layer).service(service_fn(
        move |given: Publication<PoolClaim<CountingDatabase>>| {
            let gate = at.clone();
            given.claim.run(move |_| gate.wait())
        },
    ));
    let ask = |path: &str, route: Option<&str>, history: History| {
        let mut request: Request = http::Request::get(path).body(Default::default()).unwrap();
        request.extensions_mut().insert(history);
        if let Some(route) = route {
            request.extensions_mut().insert(Route::new(route));
        }
        tokio::spawn(service.clone().oneshot(request))
    };
    let mut answers = Vec::new();
    let again = History::default()
        .after_conflict(true)
        .after_suspension()
        .after_suspension();
    for (path, route, history) in [
        ("/report", Some("/{report}"), History::default()),
        ("/orders/7", Some("/orders/{id}"), again),
        ("/", None, History::default()),
    ] {
        answers.push(ask(path, route, history));
        eventually("it runs", || gate.waiting() == answers.len()).await;
        advance(SECOND).await;
    }
    let expected = [
        (
            Some("reports".to_owned()),
            Some("/{report}".to_owned()),
            1,
            1,
        ),
        (None, Some("/orders/{id}".to_owned()), 2, 3),
        (None, None, 1, 1),
    ];
    assert_eq!(held(&pool), expected);
    let ages: Vec<Duration> = pool
        .status()
        .holders
        .iter()
        .map(|holder| holder.age)
        .collect();
    assert_eq!(ages, [3 * SECOND, 2 * SECOND, SECOND]);
    gate.open();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn an_answered_request_is_not_listed() {
    let pool = pool(2);
    for _ in 0..50 {
        let inside = pool.clone();
        assert_eq!(
            pool.run(move |_| held(&inside)).await.unwrap(),
            [(None, None, 1, 1)]
        );
        assert!(pool.status().holders.is_empty());
        let inside = pool.clone();
        let listed = pool
            .transaction(move |_| Ok(inside.status().holders.len()))
            .await
            .unwrap();
        assert_eq!((listed, pool.status().holders.len()), (1, 0));
        let panicked: Result<(), Error> = pool
            .run(|_| std::panic::resume_unwind(Box::new("quietly")))
            .await;
        assert!(panicked.is_err() && pool.status().holders.is_empty());
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_running_job_whose_client_has_left_is_still_listed() {
    let pool = pool(1);
    let gate = Gate::new();
    let claim = pool.claim().route(Route::new("/slow"));
    let job = tokio::spawn(claim.run({
        let gate = gate.clone();
        move |_| gate.wait()
    }));
    eventually("it runs", || gate.waiting() == 1).await;
    job.abort();
    assert!(job.await.unwrap_err().is_cancelled());
    let waits = tokio::spawn(pool.claim().route(Route::new("/next")).run(|_| ()));
    eventually("the next one waits", || pool.status().queued == 1).await;
    assert_eq!(held(&pool), [(None, Some("/slow".to_owned()), 1, 1)]);
    assert!(pool.status().holders[0].is_abandoned);
    gate.open();
    waits.await.unwrap().unwrap();
    assert_eq!(held(&pool), []);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn each_way_to_use_a_claim_has_its_route() {
    let pool = pool(1);
    let claim = || pool.claim().route(Route::new("/slow"));
    let [one, two, three] = [pool.clone(), pool.clone(), pool.clone()];
    let named = [(None, Some("/slow".to_owned()), 1, 1)];
    assert_eq!(
        claim().on_connection(move |_| held(&one)).await.unwrap(),
        named
    );
    assert_eq!(pool.ledger().transactions.begun.get(), 0);
    let written = claim().transaction(move |transaction| {
        transaction.connection()?;
        Ok(held(&two))
    });
    assert_eq!(written.await.unwrap(), named);
    let read = claim().read(move |transaction| {
        transaction.connection()?;
        Ok(held(&three))
    });
    assert_eq!(read.await.unwrap(), named);
    assert_eq!(pool.ledger().transactions.committed.get(), 2);
    assert_quiet(pool.ledger()).await;
}

/// There is a gate at each step of a transaction, and the status has the right phase for the job
/// that waits there.
#[tokio::test]
async fn the_phase_of_a_job_is_right_at_each_step() {
    for fails in [false, true] {
        let pool = pool(1);
        let gates: Vec<Gate> = std::iter::repeat_with(Gate::new).take(6).collect();
        let [connect, begin, publish, prepare, end, after] = gates.as_slice() else {
            unreachable!()
        };
        let last = if fails { Step::Abort } else { Step::Commit };
        for (step, gate) in [(Step::Connect, connect), (Step::Begin, begin), (last, end)] {
            pool.database()
                .script(step, [Behaviour::Wait(gate.clone())]);
        }
        let [publish_at, prepare_at, after_at] = [publish, prepare, after].map(Clone::clone);
        let job = tokio::spawn(pool.claim().transaction_once(move |transaction| {
            transaction.connection()?;
            let told = after_at.clone();
            transaction.after_commit(move || after_at.wait());
            transaction.after_abort(move || told.wait());
            transaction.before_commit(move |_| {
                prepare_at.wait();
                if fails {
                    Err(Abort::error(std::io::Error::other("no")))
                } else {
                    Ok(())
                }
            });
            publish_at.wait();
            Ok(())
        }));
        let (end_is, after_is) = if fails {
            (Phase::Aborting, Phase::Aborting)
        } else {
            (Phase::Committing, Phase::Finishing)
        };
        for (gate, phase) in gates.iter().zip([
            Phase::Connecting,
            Phase::Beginning,
            Phase::Publishing,
            Phase::Preparing,
            end_is,
            after_is,
        ]) {
            eventually(phase.name(), || gate.waiting() == 1).await;
            assert_eq!(pool.status().holders[0].phase, phase);
            gate.open();
        }
        assert_eq!(job.await.unwrap().is_err(), fails);
        // The age of the next job starts from zero.
        let inside = pool.clone();
        assert_eq!(
            pool.run(move |_| inside.status().holders[0].phase)
                .await
                .unwrap(),
            Phase::Publishing
        );
        assert_quiet(pool.ledger()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_running_job_is_listed() {
    let pool = pool(1);
    let first = Gate::new();
    let second = Gate::new();
    let jobs =
        [first.clone(), second.clone()].map(|gate| tokio::spawn(pool.run(move |_| gate.wait())));
    eventually("one runs, one waits", || {
        first.waiting() == 1 && pool.status().queued == 1
    })
    .await;
    advance(3 * SECOND).await;
    first.open();
    eventually("the second runs", || second.waiting() == 1).await;
    let holder = pool.status().holders.remove(0);
    assert_eq!((holder.waited, holder.age), (3 * SECOND, Duration::ZERO));
    second.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_jobs_are_listed_the_oldest_first_whatever_their_lanes() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .lane("reports", 1)
        .build();
    let reports = pool.lane("reports").unwrap();
    let gate = Gate::new();
    let jobs: Vec<_> = ["/first", "/report", "/second", "/third"]
        .into_iter()
        .map(|route| {
            let claim = pool.claim().route(Route::new(route));
            let claim = if route == "/report" {
                claim.lane(reports)
            } else {
                claim
            };
            let gate = gate.clone();
            tokio::spawn(claim.run(move |_| gate.wait()))
        })
        .collect();
    eventually("one runs", || {
        gate.waiting() == 1 && pool.status().queued == 3
    })
    .await;
    let listed = |most| {
        let waiters = pool.waiters(most).into_iter();
        waiters
            .map(|waiter| {
                let lane = waiter.lane.as_deref().map(str::to_owned);
                (waiter.route.unwrap().name().to_owned(), lane)
            })
            .collect::<Vec<_>>()
    };
    let reports = Some("reports".to_owned());
    let expected = [("/report", reports), ("/second", None), ("/third", None)];
    let expected = expected.map(|(route, lane)| (route.to_owned(), lane));
    assert_eq!(listed(9), expected);
    assert_eq!(listed(2), expected[..2]);
    gate.open();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert!(pool.waiters(9).is_empty());
    assert_quiet(pool.ledger()).await;
}
