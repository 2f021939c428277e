//! Tests of the layer.

use euryale_core::request::Admit;
use euryale_core::transaction::{Claim, History, Publication};
use euryale_core::{Error, Request};
use euryale_test::{CountingDatabase, Gate, assert_quiet, eventually};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{ConnectionLimitLayer, Pool, PoolClaim, QUEUE_FULL};

type Given = Publication<PoolClaim<CountingDatabase>>;

/// Answers with the path, and first waits at `gate` if the path says so.
async fn publish(given: Given, gate: Gate) -> Result<String, Error> {
    let path = given.request.uri().path().to_owned();
    given
        .claim
        .run(move |_| {
            if path.starts_with("/held") {
                gate.wait();
            }
            path
        })
        .await
}

fn request(path: &str) -> Request {
    http::Request::get(path).body(Default::default()).unwrap()
}

#[tokio::test]
async fn requests_of_a_lane_use_no_more_than_its_share() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(2)
        .lane("held", 1)
        .build();
    let gate = Gate::new();
    let layer = ConnectionLimitLayer::new(pool.clone())
        .lane(pool.lane("held").unwrap(), |request| {
            request.uri().path().starts_with("/held")
        });
    let at = gate.clone();
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(move |given| publish(given, at.clone())));
    let held: Vec<_> = (0..3)
        .map(|n| tokio::spawn(service.clone().oneshot(request(&format!("/held/{n}")))))
        .collect();
    eventually("one of the lane runs", || gate.waiting() == 1).await;
    for _ in 0..20 {
        assert_eq!(
            service.clone().oneshot(request("/free")).await.unwrap(),
            "/free",
            "the others have a connection"
        );
    }
    assert_eq!((gate.waiting(), pool.status().queued), (1, 2));
    gate.open();
    for answer in held {
        answer.await.unwrap().unwrap();
    }
    assert!(pool.lane("no such lane").is_none());
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_requeued_request_goes_ahead_and_is_not_refused() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .max_queue(1)
        .build();
    let gate = Gate::new();
    let at = gate.clone();
    let service = ServiceBuilder::new()
        .layer(ConnectionLimitLayer::new(pool.clone()))
        .service(service_fn(move |given| publish(given, at.clone())));
    let held = tokio::spawn(service.clone().oneshot(request("/held")));
    eventually("it runs", || gate.waiting() == 1).await;

    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let ask = |path: &'static str, history: History| {
        let mut request = request(path);
        let order = order.clone();
        request.extensions_mut().insert(history);
        let answer = service.clone().oneshot(request);
        tokio::spawn(async move {
            let answer = answer.await;
            order.lock().unwrap().push(path);
            answer
        })
    };
    let new = ask("/new", History::default());
    eventually("one waits", || pool.status().queued == 1).await;
    let parts = request("/").into_parts().0;
    assert_eq!(
        pool.check(&parts).unwrap_err().code(),
        QUEUE_FULL,
        "for who asks before a body is read"
    );
    assert_eq!(
        ask("/refused", History::default())
            .await
            .unwrap()
            .unwrap_err()
            .code(),
        QUEUE_FULL
    );
    let again = ask("/again", History::default().after_conflict(false));
    eventually("two wait", || pool.status().queued == 2).await;
    gate.open();
    for answer in [held, new, again] {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["/refused", "/again", "/new"]);
    assert_quiet(pool.ledger()).await;
}
