use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use euryale_core::{Error, ErrorKind, History, Ledger, Request};
use tokio::time::Instant;
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::ConflictPolicy;
use crate::ConflictBook;

/// Sends a request through a retry layer to a service that fails `failures` times with `kind`;
/// gives the answer, and when and with which history the service was called.
async fn ask(
    policy: ConflictPolicy,
    failures: usize,
    kind: ErrorKind,
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
                    Err(Error::new(kind))
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
        let (answer, calls) = ask(policy, failures, ErrorKind::Conflict).await;
        assert_eq!(calls.len(), (failures + 1).min(4));
        let kind = answer.err().map(|error| error.kind());
        assert_eq!(
            kind,
            (failures > 3).then_some(ErrorKind::ConflictsExhausted),
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
        let (_, calls) = ask(policy, 3, ErrorKind::Conflict).await;
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
async fn nothing_but_a_conflict_is_retried() {
    for kind in [
        ErrorKind::InDoubt,
        ErrorKind::Unavailable,
        ErrorKind::QueueFull,
        ErrorKind::QueueElapsed,
        ErrorKind::Panicked,
        ErrorKind::Application,
        ErrorKind::PublishElapsed,
        ErrorKind::Suspended,
        ErrorKind::ClientGone,
    ] {
        let (answer, calls) = ask(ConflictPolicy::new(), 1, kind).await;
        assert_eq!((answer.unwrap_err().kind(), calls.len()), (kind, 1));
    }
}

#[tokio::test]
async fn no_retries_means_none() {
    let (answer, calls) = ask(ConflictPolicy::new().retries(0), 1, ErrorKind::Conflict).await;
    assert_eq!(
        (answer.unwrap_err().kind(), calls.len()),
        (ErrorKind::ConflictsExhausted, 1)
    );
}

/// A pass that met a conflict, and then waited for a promise: its request is answered by a later
/// pass.
#[tokio::test]
async fn a_conflict_of_an_earlier_pass_is_resolved_by_the_one_that_answers() {
    let ledger = Ledger::new();
    let answers = Arc::new(Mutex::new(vec![
        Ok(()),
        Err(ErrorKind::Suspended),
        Err(ErrorKind::Conflict),
    ]));
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
            .kind(),
        ErrorKind::Suspended
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
                std::future::ready(Err::<(), _>(Error::new(ErrorKind::Conflict)))
            }
        }));
    let mut request = Request::default();
    request
        .extensions_mut()
        .insert(History::default().after_conflict(true).after_suspension());
    assert_eq!(
        service.oneshot(request).await.unwrap_err().kind(),
        ErrorKind::ConflictsExhausted
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
