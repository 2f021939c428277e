//! Tests of the possible results of a promise.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::panic::resume_unwind;
use std::time::Duration;

use euryale_core::Request;
use euryale_core::error::APPLICATION;
use euryale_core::transaction::Fault;
use euryale_test::{TestError, assert_quiet};
use tokio::time::Instant;

use super::{Lent, Site, say, word};
use crate::{PromiseBook, PromiseError, PromisesExt, RepublishLayer};

const SECOND: Duration = Duration::from_secs(1);

/// A site with four promises that fail in four ways, and one that does not.
fn failing(
    request: &Request,
    _: Lent<'_, '_>,
) -> Result<euryale_core::Response, euryale_core::Abort> {
    let promises = request.promises();
    let ok = promises.ask("ok", || async { Ok::<_, Infallible>(1) });
    let error = promises.ask("error", || async {
        Err::<u8, _>(io::Error::other("refused"))
    });
    let panic = promises.ask("panic", || async {
        if true {
            resume_unwind(Box::new("later"));
        }
        Ok::<_, Infallible>(2)
    });
    let at_once = promises.ask("at once", || {
        if true {
            resume_unwind(Box::new("at once"));
        }
        async { Ok::<_, Infallible>(2) }
    });
    let never = promises
        .deadline(SECOND)
        .ask("never", pending::<Result<u8, Infallible>>);
    let words = [
        word(ok.ready()?),
        word(error.ready()?),
        word(panic.ready()?),
        word(at_once.ready()?),
        word(never.ready()?),
    ];
    say(words.join(", "))
}

#[tokio::test(start_paused = true)]
async fn failures_are_values() {
    let site = Site::new(RepublishLayer::new(), failing);
    let began = Instant::now();
    let answer = site.ask("/").await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 1);
    let timing = answer.headers()["server-timing"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        super::text(answer).await,
        "1, a promise failed: refused, a promise panicked: later, a promise panicked: at once, \
         a promise was not resolved in time"
    );
    assert!(
        timing.ends_with("at-once;dur=0.0;desc=\"failed\", never;dur=1000.0;desc=\"elapsed\""),
        "{timing}"
    );
    let promises = &site.ledger().of::<PromiseBook>();
    assert_eq!(
        (
            promises.ok.get(),
            promises.error.get(),
            promises.panic.get(),
            promises.elapsed.get()
        ),
        (1, 1, 2, 1)
    );
    assert_eq!(promises.cancelled.get(), 0);
    site.quiet().await;
}

#[tokio::test]
async fn blocking_promises_fail_in_the_same_ways() {
    let site = Site::new(RepublishLayer::new().threads(1), |request, _| {
        let promises = request.promises();
        let ok = promises.ask_blocking("ok", || Ok::<_, Infallible>(1));
        let error = promises.ask_blocking("error", || Err::<u8, _>("refused"));
        let panic = promises.ask_blocking("panic", || -> Result<u8, Infallible> {
            resume_unwind(Box::new("x"))
        });
        say([
            word(ok.ready()?),
            word(error.ready()?),
            word(panic.ready()?),
        ]
        .join(", "))
    });
    assert_eq!(
        site.text("/").await,
        "1, a promise failed: refused, a promise panicked: x"
    );
    site.quiet().await;
}

/// A time-out does not stop blocking code: it keeps its thread, and the next promise waits for that
/// thread.
#[tokio::test]
async fn a_blocking_promise_keeps_its_thread() {
    let gate = euryale_test::Gate::new();
    let site = Site::new(
        RepublishLayer::new()
            .threads(1)
            .promise_deadline(Duration::from_millis(20)),
        {
            let gate = gate.clone();
            move |request, _| {
                let gate = gate.clone();
                let wait = move || {
                    gate.wait();
                    Ok::<_, Infallible>(1)
                };
                say(word(request.promises().ask_blocking("gate", wait).ready()?))
            }
        },
    );
    let late = "a promise was not resolved in time";
    assert_eq!(site.text("/").await, late);
    assert_eq!(
        (
            gate.waiting(),
            site.ledger().of::<PromiseBook>().running.get()
        ),
        (1, 1)
    );
    assert_eq!(site.text("/").await, late);
    assert_eq!(gate.waiting(), 1, "the second never started");
    gate.open();
    site.quiet().await;
    assert_eq!(
        (
            gate.passed(),
            site.ledger().of::<PromiseBook>().elapsed.get()
        ),
        (1, 2)
    );
    assert_eq!(site.text("/").await, "1");
    site.quiet().await;
}

/// A failure in a promise is not a conflict of this transaction.
#[tokio::test]
async fn a_returned_failure_is_an_application_error() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let conflict = || async { Err::<u8, _>(TestError(Fault::Conflict)) };
        say(request.promises().ask("elsewhere", conflict).ready()??)
    });
    let error = site.ask("/").await.unwrap_err();
    assert_eq!(error.code(), APPLICATION);
    assert_eq!(
        site.ledger().transactions.attempts.get(),
        2,
        "two passes, and no other attempt"
    );
    site.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_request_cuts_those_of_its_promises() {
    let layer = RepublishLayer::new().request_deadline(3 * SECOND);
    let site = Site::new(layer, |request, _| {
        let promises = request.promises();
        let never = promises
            .ask("never", pending::<Result<u8, Infallible>>)
            .ready()?;
        assert!(matches!(never, Err(PromiseError::Elapsed)));
        if request.uri().path() == "/more" {
            let _ = promises
                .ask("more", || async { Ok::<_, Infallible>(1) })
                .ready()?;
        }
        say(promises.pass())
    });
    let began = Instant::now();
    assert_eq!(site.text("/").await, "2");
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(
        site.text("/more").await,
        "promise.pass_limit",
        "no time left for another round"
    );
    assert_eq!(began.elapsed().as_secs(), 6);
    site.quiet().await;
}

#[tokio::test]
async fn joined_promises_take_one_pass() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let promises = request.promises();
        let one = promises.ask("one", || async { Ok::<_, Infallible>(1) });
        let two = promises.ask("two", || async { Ok::<_, Infallible>("two".to_owned()) });
        let (one, two) = promises.join((one, two))?;
        say(format!("{one} and {two} in pass {}", promises.pass()))
    });
    assert_eq!(site.text("/").await, "1 and two in pass 2");
    site.quiet().await;
}

#[tokio::test]
async fn a_failed_promise_in_a_join_takes_no_other_pass() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let promises = request.promises();
        let failed = promises.ask("failed", || async { Err::<u8, _>("refused") });
        if promises.pass() == 1 {
            return say(failed.ready()??);
        }
        let new = promises.ask("new", || async { Ok::<_, Infallible>(1) });
        let (new, failed) = promises.join((new, failed))?;
        say(format!("{new} {failed}"))
    });
    let error = site.ask("/").await.unwrap_err();
    assert_eq!(error.code(), APPLICATION);
    assert_eq!(site.ledger().transactions.attempts.get(), 2);
    site.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn unbound_promises_keep_their_terms() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let unbound = request.promises().deadline(SECOND).unbound();
        let never = unbound
            .promises()
            .ask("never", pending::<Result<u8, Infallible>>)
            .ready()?;
        assert!(matches!(never, Err(PromiseError::Elapsed)));
        say("late")
    });
    let began = Instant::now();
    assert_eq!(super::text(site.ask("/").await.unwrap()).await, "late");
    assert_eq!(began.elapsed(), SECOND);
    assert_quiet(site.ledger()).await;
}
