//! Tests of the limits for one request and for all requests together.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use euryale_core::Error;
use euryale_test::eventually;

use super::{Site, say};
use crate::{Key, PromiseBook, PromisesExt, RepublishLayer};

const NUMBER: Key<u32> = Key::new("number");

#[tokio::test]
async fn a_new_key_in_each_pass_exceeds_the_pass_limit() {
    let site = Site::new(RepublishLayer::new(), |request, transaction| {
        transaction.connection()?;
        let promises = request.promises();
        let pass = promises.pass();
        let until: u32 = request.uri().path()[1..].parse()?;
        let again = || async { Err::<u32, _>("an earlier result was not kept") };
        for earlier in 1..pass {
            assert_eq!(
                *promises.ask(NUMBER.with(earlier), again).ready()??,
                earlier,
                "earlier results are kept"
            );
        }
        if pass < until {
            let _ = promises
                .ask(NUMBER.with(pass), move || async move {
                    Ok::<_, Infallible>(pass)
                })
                .ready()?;
        }
        say(pass)
    });
    assert_eq!(site.text("/8").await, "8");
    assert_eq!(site.ledger().transactions.attempts.get(), 8);
    let error = site.ask("/9").await.unwrap_err();
    assert_eq!(error.class().status(), 508);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "asked for in the last pass: number(8)");
    assert_eq!(
        site.ledger().transactions.attempts.get(),
        16,
        "exactly the limit"
    );
    assert_eq!(site.ledger().of::<PromiseBook>().passes.get(), 14);
    site.quiet().await;
}

#[tokio::test]
async fn no_promise_runs_if_there_are_too_many() {
    let ran = Arc::new(AtomicUsize::new(0));
    let site = Site::new(RepublishLayer::new(), {
        let ran = Arc::clone(&ran);
        move |request, _| {
            let promises = request.promises();
            let wanted: u32 = request.uri().path()[1..].parse()?;
            let asked = (0..wanted).map(|number| {
                let ran = Arc::clone(&ran);
                promises.ask(NUMBER.with(number), move || async move {
                    Ok::<_, Infallible>(ran.fetch_add(1, SeqCst) as u32)
                })
            });
            say(promises.all(asked)?.len())
        }
    });
    assert_eq!(site.text("/16").await, "16");
    assert_eq!(site.text("/17").await, "promise.promise_limit");
    assert_eq!(site.text("/10000").await, "promise.promise_limit");
    assert_eq!(ran.load(SeqCst), 16);
    site.quiet().await;
}

/// A site that asks for as many endless promises as the path says.
fn endless(layer: RepublishLayer) -> Site {
    Site::new(layer, |request, _| {
        let promises = request.promises();
        let wanted: u32 = request.uri().path()[1..].parse()?;
        let asked = (0..wanted)
            .map(|number| promises.ask(NUMBER.with(number), pending::<Result<u32, Infallible>>));
        say(promises.all(asked)?.len())
    })
}

#[tokio::test]
async fn running_promises_are_bounded() {
    let site = endless(RepublishLayer::new().running(2));
    let request = tokio::spawn({
        let site = site.clone();
        async move { site.ask("/5").await.map(drop) }
    });
    eventually("two run", || {
        site.ledger().of::<PromiseBook>().running.get() == 2
    })
    .await;
    request.abort();
    site.quiet().await;
    assert_eq!(
        (
            site.ledger().of::<PromiseBook>().running.peak(),
            site.ledger().of::<PromiseBook>().cancelled.get()
        ),
        (2, 5)
    );
}

#[tokio::test]
async fn suspended_requests_are_bounded() {
    let site = endless(RepublishLayer::new().suspended(1));
    let request = tokio::spawn({
        let site = site.clone();
        async move { site.ask("/1").await.map(drop) }
    });
    eventually("one is set aside", || {
        site.ledger().of::<PromiseBook>().suspended.get() == 1
    })
    .await;
    assert_eq!(site.text("/1").await, "promise.suspended_full");
    request.abort();
    site.quiet().await;
}

/// The suspension of another layer is passed on to it.
#[tokio::test]
async fn a_foreign_suspension_is_passed_on() {
    let site = Site::new(RepublishLayer::new(), |_, _| {
        Err(euryale_core::error::Pending::new("theirs").into())
    });
    let mut error: Error = site.ask("/").await.unwrap_err();
    assert_eq!(
        error.take_pending().unwrap().downcast::<&str>().unwrap(),
        "theirs"
    );
}
