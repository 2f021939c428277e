use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use euryale_connection::{QUEUE_ELAPSED, QUEUE_FULL};
use euryale_core::error::{
    APPLICATION, CLIENT_GONE, CONFLICT, Code, IN_DOUBT, PANICKED, PUBLISH_ELAPSED, SUSPENDED,
    UNAVAILABLE,
};
use euryale_core::transaction::History;
use euryale_core::{Error, Ledger, Request};
use tokio::time::Instant;
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::ConflictPolicy;
use crate::{CONFLICTS_EXHAUSTED, ConflictBook};

/// Sends a request through a retry layer to a service that fails `failures` times with `code`.
/// Returns the answer, and the time and the history of each call of the service.
async fn ask(
    policy: ConflictPolicy,
    failures: usize,
    code: Code,
) -> (Result<(), Error>, Vec<(Duration, History)>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .service(service_fn({
            let calls = calls.clone();
            move |request: Request| {
                let history = request
                    .extensions()
                    .get::<History>()
                    .copied()
                    .unwrap_or_default();
                let mut calls = calls.lock().unwrap();
                calls.push((began.elapsed(), history));
                std::future::ready(if calls.len() > failures {
                    Ok(())
                } else {
                    Err(Error::new(code))
                })
            }
        }));
    let answer = service.oneshot(Request::default()).await;
    let calls = calls.lock().unwrap().clone();
    (answer, calls)
}

#[tokio::test(start_paused = true)]
async fn three_conflicts_are_resolved_and_four_are_not() {
    let ledger = Ledger::new();
    for failures in 0..=5 {
        let policy = ConflictPolicy::new().ledger(ledger.clone());
        let (answer, calls) = ask(policy, failures, CONFLICT).await;
        assert_eq!(calls.len(), (failures + 1).min(4));
        let code = answer.err().map(|error| error.code());
        assert_eq!(
            code,
            (failures > 3).then_some(CONFLICTS_EXHAUSTED),
            "after {failures}"
        );
        let conflicts: Vec<u32> = calls.iter().map(|(_, history)| history.conflicts).collect();
        assert_eq!(conflicts, [0, 1, 2, 3][..calls.len()]);
    }
    assert_eq!(
        (
            ledger.of::<ConflictBook>().resolved.get(),
            ledger.of::<ConflictBook>().exhausted.get()
        ),
        (3, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn the_pauses_grow_and_are_bounded() {
    let mut longest = [Duration::ZERO; 3];
    for _ in 0..50 {
        let policy = ConflictPolicy::new().base(Duration::from_secs(1));
        let (_, calls) = ask(policy, 3, CONFLICT).await;
        for (n, pair) in calls.windows(2).enumerate() {
            longest[n] = longest[n].max(pair[1].0 - pair[0].0);
        }
    }
    for (n, longest) in longest.into_iter().enumerate() {
        let bound = Duration::from_secs(1 << n);
        // The clock of tokio's timer ticks in milliseconds.
        assert!(
            longest <= bound + Duration::from_millis(1),
            "{longest:?} after conflict {n}"
        );
        assert!(
            longest > bound / 2,
            "50 pauses spread over their range: {longest:?} after conflict {n}"
        );
    }
}

#[tokio::test]
async fn only_a_conflict_is_retried() {
    for code in [
        IN_DOUBT,
        UNAVAILABLE,
        QUEUE_FULL,
        QUEUE_ELAPSED,
        PANICKED,
        APPLICATION,
        PUBLISH_ELAPSED,
        SUSPENDED,
        CLIENT_GONE,
    ] {
        let (answer, calls) = ask(ConflictPolicy::new(), 1, code).await;
        assert_eq!((answer.unwrap_err().code(), calls.len()), (code, 1));
    }
}

#[tokio::test]
async fn zero_retries_means_one_attempt() {
    let (answer, calls) = ask(ConflictPolicy::new().retries(0), 1, CONFLICT).await;
    assert_eq!(
        (answer.unwrap_err().code(), calls.len()),
        (CONFLICTS_EXHAUSTED, 1)
    );
}

/// A pass met a conflict and then waited for a promise, and a later pass answers the request.
#[tokio::test]
async fn a_conflict_of_an_earlier_pass_is_resolved_by_the_one_that_answers() {
    let ledger = Ledger::new();
    let answers = Arc::new(Mutex::new(vec![Ok(()), Err(SUSPENDED), Err(CONFLICT)]));
    let service = RetryLayer::new(ConflictPolicy::new().ledger(ledger.clone()));
    let service = ServiceBuilder::new().layer(service).service(service_fn({
        let answers = answers.clone();
        move |request: Request| {
            let history = request
                .extensions()
                .get::<History>()
                .copied()
                .unwrap_or_default();
            let answer = answers.lock().unwrap().pop().unwrap();
            std::future::ready(answer.map(|()| history).map_err(Error::new))
        }
    }));
    assert_eq!(
        service
            .clone()
            .oneshot(Request::default())
            .await
            .unwrap_err()
            .code(),
        SUSPENDED
    );
    assert_eq!(
        ledger.of::<ConflictBook>().resolved.get(),
        0,
        "it was not answered yet"
    );
    let mut request = Request::default();
    request
        .extensions_mut()
        .insert(History::default().after_conflict(false).after_suspension());
    assert_eq!(service.oneshot(request).await.unwrap().conflicts, 1);
    assert_eq!(
        (
            ledger.of::<ConflictBook>().resolved.get(),
            ledger.of::<ConflictBook>().exhausted.get()
        ),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn conflicts_of_earlier_passes_are_kept_and_cost_no_retry() {
    let histories = Arc::new(Mutex::new(Vec::new()));
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(ConflictPolicy::new()))
        .service(service_fn({
            let histories = histories.clone();
            move |request: Request| {
                histories
                    .lock()
                    .unwrap()
                    .push(*request.extensions().get::<History>().unwrap());
                std::future::ready(Err::<(), _>(Error::new(CONFLICT)))
            }
        }));
    let mut request = Request::default();
    request
        .extensions_mut()
        .insert(History::default().after_conflict(true).after_suspension());
    assert_eq!(
        service.oneshot(request).await.unwrap_err().code(),
        CONFLICTS_EXHAUSTED
    );
    let histories = histories.lock().unwrap();
    assert_eq!(
        histories
            .iter()
            .map(|history| history.conflicts)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert!(
        histories
            .iter()
            .all(|history| history.suspensions == 1 && history.wrote)
    );
}
