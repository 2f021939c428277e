//! Tests of the six calls of `collective.futures` and their errors.

use std::convert::Infallible;
use std::io;

use euryale_core::{Abort, Request, Response};

use super::{Lent, Site, say};
use crate::{AlreadyResolved, Key, NoResult, Promises, PromisesExt, RepublishLayer};

const KEY: Key<u32> = Key::new("key");

async fn one() -> Result<u32, Infallible> {
    Ok(1)
}

async fn two() -> Result<u32, Infallible> {
    Ok(2)
}

/// Returns the result or the kind of error as text.
fn result(promises: &Promises<'_>) -> String {
    match promises.result(KEY) {
        Ok(value) => value.to_string(),
        Err(NoResult::NotSubmitted) => "not submitted".to_owned(),
        Err(NoResult::NotResolved(_)) => "not resolved".to_owned(),
        Err(NoResult::Failed(error)) => error.to_string(),
    }
}

async fn run<F>(publisher: F) -> String
where
    F: Fn(&Request, Lent<'_, '_>) -> Result<Response, Abort> + Send + Sync + 'static,
{
    let site = Site::new(RepublishLayer::new(), publisher);
    let text = site.text("/").await;
    site.quiet().await;
    text
}

#[tokio::test]
async fn a_submitted_promise_has_its_result_in_the_next_pass() {
    let text = run(|request, _| {
        let promises = request.promises();
        if promises.pass() == 1 {
            assert_eq!(result(&promises), "not submitted");
            promises.submit(KEY, two)?;
            assert_eq!(result(&promises), "not resolved");
            promises.submit(KEY, one)?;
        } else {
            assert_eq!(promises.submit(KEY, two), Err(AlreadyResolved));
            // A promise with the same name and another type.
            assert!(matches!(
                promises.result::<String>("key"),
                Err(NoResult::NotSubmitted)
            ));
        }
        say(promises.result(KEY)?)
    });
    assert_eq!(
        text.await,
        "1",
        "the promise submitted last, and `?` suspends until it is there"
    );
}

#[tokio::test]
async fn a_result_without_a_submit_is_an_error() {
    assert_eq!(
        run(|request, _| say(request.promises().result(KEY)?)).await,
        "core.application"
    );
}

#[tokio::test]
async fn a_failure_is_raised_by_result() {
    let text = run(|request, _| {
        let promises = request.promises();
        if promises.pass() == 1 {
            promises.submit(KEY, || async { Err::<u32, _>(io::Error::other("refused")) })?;
        }
        say(result(&promises))
    });
    assert_eq!(text.await, "a promise failed: refused");
}

#[tokio::test]
async fn result_or_submit_returns_the_placeholder_first() {
    let text = run(|request, _| {
        let promises = request.promises();
        let value = promises.result_or_submit(KEY, 0, one)?;
        if promises.pass() == 1 {
            assert_eq!(*value, 0, "the placeholder");
            let again = promises.result_or_submit(KEY, 0, one);
            assert!(
                matches!(again, Err(NoResult::NotResolved(_))),
                "asked twice in one pass"
            );
        }
        say(value)
    });
    assert_eq!(text.await, "1");
}

#[tokio::test]
async fn cancel_removes_a_submitted_promise() {
    let text = run(|request, _| {
        let promises = request.promises();
        assert!(!promises.cancel(KEY));
        promises.submit(KEY, one)?;
        assert!(promises.cancel(KEY) && !promises.cancel(KEY));
        assert_eq!(result(&promises), "not submitted");
        say(promises.pass())
    });
    assert_eq!(text.await, "1", "nothing is left to wait for");
}

#[tokio::test]
async fn clear_removes_a_resolved_promise() {
    let text = run(|request, _| {
        let promises = request.promises();
        assert!(promises.pass() > 1 || !promises.clear(KEY));
        let value = match promises.pass() {
            1 => {
                promises.submit(KEY, one)?;
                promises.result(KEY)?
            }
            2 => {
                assert_eq!(result(&promises), "1");
                assert!(!promises.cancel(KEY), "resolved is not submitted");
                assert!(promises.clear(KEY) && !promises.clear(KEY));
                assert_eq!(result(&promises), "not submitted");
                promises.submit(KEY, two)?;
                promises.result(KEY)?
            }
            _ => promises.result(KEY)?,
        };
        say(format!("{value} in pass {}", promises.pass()))
    });
    assert_eq!(text.await, "2 in pass 3");
}

#[tokio::test]
async fn reset_removes_both() {
    let text = run(|request, _| {
        let promises = request.promises();
        assert!(promises.pass() > 1 || !promises.reset(KEY));
        if promises.pass() == 1 {
            promises.submit(KEY, one)?;
            assert!(promises.reset(KEY) && !promises.reset(KEY));
            promises.submit(KEY, one)?;
            promises.result(KEY)?;
        }
        assert!(promises.reset(KEY) && !promises.reset(KEY));
        say(result(&promises))
    });
    assert_eq!(text.await, "not submitted");
}

/// The first pass renders placeholders, and the second one has the results.
#[tokio::test]
async fn a_page_is_rendered_with_placeholders_first() {
    let text = run(|request, _| {
        let promises = request.promises();
        let mut page = String::new();
        for number in 0..3 {
            let value = promises.result_or_submit(KEY.with(number), 0, move || async move {
                Ok::<_, Infallible>(number * 10)
            })?;
            page += &format!("{value} ");
        }
        say(page)
    });
    assert_eq!(text.await, "0 10 20 ");
}
