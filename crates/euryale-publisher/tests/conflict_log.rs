//! Conflicts are counted and logged by route. In a program of its own: the subscriber is the
//! process's.

use euryale_core::error::{APPLICATION, CONFLICT, Code};
use euryale_core::request::Route;
use euryale_core::{Error, Ledger, Request};
use euryale_publisher::{ConflictBook, ConflictPolicy, PerRoute};
use euryale_test::Log;
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn conflicts_are_counted_and_logged_by_route() {
    let log = Log::of_process();
    let ledger = Ledger::new();
    let ask = async |route: Option<&Route>, failures: usize, code: Code| {
        let mut request = Request::default();
        if let Some(route) = route {
            request.extensions_mut().insert(route.clone());
        }
        let mut left = failures;
        let retry = RetryLayer::new(ConflictPolicy::new().ledger(ledger.clone()));
        let service = ServiceBuilder::new()
            .layer(retry)
            .service(service_fn(move |_: Request| {
                let answer = if left == 0 {
                    Ok(())
                } else {
                    Err(Error::new(code))
                };
                left = left.saturating_sub(1);
                std::future::ready(answer)
            }));
        drop(service.oneshot(request).await);
    };
    let orders = Route::new("/orders/{id}");
    ask(Some(&orders), 0, CONFLICT).await;
    ask(Some(&orders), 1, CONFLICT).await;
    ask(Some(&orders), 4, CONFLICT).await;
    ask(Some(&orders), 1, APPLICATION).await;
    ask(None, 2, CONFLICT).await;

    let by_route = |counter: &PerRoute| -> Vec<(String, u64)> {
        counter
            .by_route()
            .into_iter()
            .map(|(route, count)| (route.to_string(), count))
            .collect()
    };
    let named = |count| ("/orders/{id}".to_owned(), count);
    assert_eq!(
        by_route(&ledger.of::<ConflictBook>().resolved),
        [(String::new(), 1), named(1)]
    );
    assert_eq!(
        by_route(&ledger.of::<ConflictBook>().exhausted),
        [(String::new(), 0), named(1)]
    );
    assert_eq!(
        log.lines(),
        [
            "INFO a conflict was resolved (1 conflicts, 0 unresolved, since start) uri=/ \
             route=/orders/{id} attempts=2",
            "ERROR a conflict was not resolved (2 conflicts, 1 unresolved, since start) uri=/ \
             route=/orders/{id} attempts=4",
            "INFO a conflict was resolved (3 conflicts, 1 unresolved, since start) uri=/ \
                attempts=3",
        ]
    );
}
