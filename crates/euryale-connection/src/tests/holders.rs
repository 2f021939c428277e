//! Who holds what, and for how long.

use std::time::Duration;

use euryale_core::{Claim, Error, History, Publication, Request, Route};
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tokio::time::advance;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::pool;
use crate::{ConnectionLimitLayer, Pool, PoolClaim};

const SECOND: Duration = Duration::from_secs(1);

/// Lane, route, attempt and pass of all that run.
fn held(pool: &Pool<CountingDatabase>) -> Vec<(Option<String>, Option<String>, u32, u32)> {
    let holders = pool.status().holders;
    let text = |holder: &crate::Holder| {
        let (lane, route) = (holder.lane.as_deref(), holder.route.as_ref().map(Route::name));
        (lane.map(str::to_owned), route.map(str::to_owned), holder.attempt, holder.pass)
    };
    holders.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_are_named_by_route_and_lane_the_longest_first() {
    let pool = Pool::builder(CountingDatabase::new()).connections(3).lane("reports", 1).build();
    let gate = Gate::new();
    let layer = ConnectionLimitLayer::new(pool.clone())
        .lane(pool.lane("reports").unwrap(), |request| request.uri().path() == "/report");
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
    let again = History::default().after_conflict(true).after_suspension().after_suspension();
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
        (Some("reports".to_owned()), Some("/{report}".to_owned()), 1, 1),
        (None, Some("/orders/{id}".to_owned()), 2, 3),
        (None, None, 1, 1),
    ];
    assert_eq!(held(&pool), expected);
    let ages: Vec<Duration> = pool.status().holders.iter().map(|holder| holder.age).collect();
    assert_eq!(ages, [3 * SECOND, 2 * SECOND, SECOND]);
    gate.open();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn who_has_its_answer_holds_nothing() {
    let pool = pool(2);
    for _ in 0..50 {
        let inside = pool.clone();
        assert_eq!(pool.run(move |_| held(&inside)).await.unwrap(), [(None, None, 1, 1)]);
        assert!(pool.status().holders.is_empty());
        let inside = pool.clone();
        let listed = pool.transaction(move |_| Ok(inside.status().holders.len())).await.unwrap();
        assert_eq!((listed, pool.status().holders.len()), (1, 0));
        let panicked: Result<(), Error> = pool.run(|_| std::panic::resume_unwind(Box::new("quietly"))).await;
        assert!(panicked.is_err() && pool.status().holders.is_empty());
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_holder_whose_client_has_gone_is_still_listed() {
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
    gate.open();
    waits.await.unwrap().unwrap();
    assert_eq!(held(&pool), []);
    assert_quiet(pool.ledger()).await;
}
