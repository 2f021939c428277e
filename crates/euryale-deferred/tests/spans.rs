//! What is computed, written or spawned for a request is logged in its span. In a program of its
//! own: the subscriber is the process's.

use std::io;

use euryale_core::threads::BlockingLane;
use euryale_core::transaction::{Access, Attempt, History, TransactionOptions};
use euryale_core::{Body, Deferred, Error, Response, Transaction};
use euryale_deferred::DeferredLayer;
use euryale_test::{CountingDatabase, Lender, Log, assert_quiet};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

type MakeBody = fn() -> Body;

fn said(what: &'static str) -> Result<Response, Error> {
    tracing::info!("{what}");
    Ok(Response::new(Body::from(what)))
}

#[tokio::test]
async fn the_span_of_the_request_is_passed_to_its_promises() {
    let log = Log::of_process();
    let answers: [(&str, MakeBody); 4] = [
        ("future", || Body::deferred(async { said("future") })),
        ("function", || {
            Deferred::blocking(|| said("function")).into()
        }),
        ("cpu", || {
            let cpu = BlockingLane::cpu();
            Body::deferred(async move { cpu.run(|| said("cpu")).await? })
        }),
        ("writer", || {
            Body::writer(|_| {
                tracing::info!("writer");
                Err(io::Error::other("as scripted"))
            })
        }),
    ];
    for (what, body) in answers {
        let service = DeferredLayer::new().layer(service_fn(move |_: http::Request<()>| {
            // As in a worker: the span ends with the publication.
            let body = tracing::info_span!("request", id = 7).in_scope(body);
            async move { Ok::<_, Error>(Response::new(body)) }
        }));
        let response = service.oneshot(http::Request::new(())).await.unwrap();
        let _ = response.into_body().collect().await;
        let line = format!("INFO request{{id=7}}: {what}");
        assert!(
            log.lines().contains(&line),
            "{line} is not in {:?}",
            log.lines()
        );
    }
    let broken = |line: &String| line.starts_with("ERROR request{id=7}: a body broke off");
    assert!(log.lines().iter().any(broken), "{:?}", log.lines());

    let mut lender = Lender::new(CountingDatabase::new());
    let options = TransactionOptions::new(Attempt::new(History::default()), Access::Write);
    tracing::info_span!("request", id = 7).in_scope(|| {
        Transaction::run(&mut lender.lease(), options, |transaction| {
            transaction.spawn_after_commit(async { tracing::info!("task") });
            Ok(())
        })
        .unwrap()
    });
    assert_quiet(lender.ledger()).await;
    assert!(
        log.lines().contains(&"INFO request{id=7}: task".to_owned()),
        "{:?}",
        log.lines()
    );
}
