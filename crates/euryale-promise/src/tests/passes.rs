//! Tests of the state that a pass leaves behind.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::body::SpooledBody;
use euryale_core::transaction::{Attempt, Fault};
use euryale_core::{Abort, Request, Transaction, publisher_fn};
use euryale_publisher::{ConflictPolicy, Publish};
use euryale_test::{CountingDatabase, Gate, TestError, assert_quiet, eventually};
use http::{HeaderValue, Method};
use tower::retry::RetryLayer;
use tower::util::MapRequestLayer;
use tower::{ServiceBuilder, ServiceExt};

use super::{Site, say, text};
use crate::{Key, PromiseBook, PromisesExt, RepublishLayer};

async fn one() -> Result<u32, Infallible> {
    Ok(1)
}

#[tokio::test]
async fn a_suspended_pass_is_rolled_back_and_discarded_completely() {
    let site = Site::new(RepublishLayer::new(), |request, transaction| {
        transaction.writable()?;
        transaction.connection()?;
        let database = transaction.database().clone();
        let pass = request.promises().pass();
        database.record(format!("pass {pass}"));
        for (word, register) in [("committed", false), ("aborted", true)] {
            let database = database.clone();
            let note = move || database.record(format!("{word} {pass}"));
            if register {
                transaction.after_abort(note);
            } else {
                transaction.after_commit(note);
            }
        }
        let promised = request.promises().ask("one", one);
        if request.uri().path() == "/ready" {
            let _ = promised.ready()?;
        }
        let mut response = say(pass)?;
        response.headers_mut().insert(
            http::header::SET_COOKIE,
            format!("pass={pass}").parse().unwrap(),
        );
        Ok(response)
    });
    for path in ["/ready", "/returned"] {
        let response = site.ask(path).await.unwrap();
        let cookies: Vec<_> = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .cloned()
            .collect();
        assert_eq!(cookies, ["pass=2"]);
        assert_eq!(text(response).await, "2");
        let story = site.database.story();
        let story = story.strip_prefix("connect · ").unwrap_or(&story);
        let first = "begin write · pass 1 · abort · aborted 1";
        assert_eq!(
            story,
            format!("{first} · begin write · pass 2 · commit · committed 2"),
            "{path}"
        );
    }
    site.quiet().await;
}

#[tokio::test]
async fn a_pass_that_ignores_its_promise_is_not_an_answer() {
    let site = Site::new(RepublishLayer::new(), |request, transaction| {
        transaction.connection()?;
        transaction.doom();
        let number = request.promises().ask("one", one).get();
        say(number.map_or(0, |number| *number.unwrap()))
    });
    assert_eq!(site.text("/").await, "1");
    assert_eq!(
        (
            site.ledger().transactions.aborted.get(),
            site.ledger().transactions.committed.get()
        ),
        (2, 0)
    );
    site.quiet().await;
}

#[tokio::test]
async fn a_hook_may_ask_for_a_promise() {
    let site = Site::new(RepublishLayer::new(), |request, transaction| {
        transaction.connection()?;
        // A promise is asked for, dropped, and asked for again by a hook. The gate is checked each
        // time.
        request.promises().ask("one", one).get();
        request.promises().serve_placeholders();
        let attempt: Attempt = transaction.attempt().clone();
        let mut again = http::Request::new(());
        *again.extensions_mut() = request.extensions().clone();
        again.extensions_mut().insert(attempt);
        transaction.before_commit(move |_| {
            again.promises().ask("two", one).get();
            Ok(())
        });
        say(request.promises().pass())
    });
    assert_eq!(site.text("/").await, "2");
    site.quiet().await;
}

#[tokio::test]
async fn errors_and_other_aborts_are_answers() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        request.promises().ask("one", one).get();
        match request.uri().path() {
            "/missing" => Err(Abort::status(http::StatusCode::NOT_FOUND)),
            "/panic" => std::panic::resume_unwind(Box::new("in the publisher")),
            _ => Err(TestError(Fault::Other).into()),
        }
    });
    assert_eq!(site.ask("/missing").await.unwrap().status(), 404);
    assert_eq!(site.text("/panic").await, "core.panicked");
    assert_eq!(site.text("/").await, "core.application");
    assert_eq!(site.ledger().transactions.attempts.get(), 3);
    assert_eq!(site.ledger().of::<PromiseBook>().ok.get(), 0);
    site.quiet().await;
}

#[tokio::test]
async fn a_placeholder_is_an_answer_if_the_publisher_asks_for_it() {
    let site = Site::new(RepublishLayer::new(), |request, transaction| {
        transaction.connection()?;
        let promises = request.promises();
        let promised = promises.ask("one", one);
        if request.uri().path() == "/now" {
            promises.serve_placeholders();
        }
        say(promised
            .get()
            .map_or("soon".to_owned(), |number| number.unwrap().to_string()))
    });
    assert_eq!(site.text("/now").await, "soon");
    assert_eq!(
        (
            site.ledger().transactions.attempts.get(),
            site.ledger().transactions.committed.get()
        ),
        (1, 1)
    );
    assert_eq!(site.text("/").await, "1");
    assert_eq!(
        (
            site.ledger().transactions.attempts.get(),
            site.ledger().transactions.committed.get()
        ),
        (3, 2)
    );
    assert_eq!(site.ledger().of::<PromiseBook>().ok.get(), 1);
    site.quiet().await;
}

#[tokio::test]
async fn each_method_is_published_again_with_its_body() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let number = request.promises().ask("one", one).ready()??;
        let body = String::from_utf8_lossy(&request.body().to_bytes()?).into_owned();
        let mut response = say(format!("{} {body} {number}", request.method()))?;
        response
            .headers_mut()
            .insert("x-pass", request.promises().pass().into());
        Ok(response)
    });
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MKCOL",
    ] {
        let method: Method = method.parse().unwrap();
        let request = http::Request::builder()
            .method(&method)
            .body(SpooledBody::from("body"))
            .unwrap();
        let response = site.service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-pass"], "2", "{method}");
        if method != Method::HEAD {
            assert_eq!(text(response).await, format!("{method} body 1"));
        }
    }
    site.quiet().await;
}

/// Conflicts and passes are counted separately, and a conflict does not run a promise again.
#[tokio::test(start_paused = true)]
async fn a_conflict_in_each_pass_is_retried() {
    let ran = Arc::new(AtomicUsize::new(0));
    let site = Site::new(RepublishLayer::new(), {
        let ran = Arc::clone(&ran);
        move |request, transaction| {
            transaction.connection()?;
            let attempt = transaction.attempt();
            let promises = request.promises();
            transaction.database().record(format!(
                "pass {} attempt {}",
                attempt.pass(),
                attempt.number()
            ));
            let before_this_pass = 3 * (attempt.pass() - 1);
            if attempt.number() - before_this_pass <= 3 {
                return Err(TestError(Fault::Conflict).into());
            }
            let ran = Arc::clone(&ran);
            let count = move || async move { Ok::<_, Infallible>(ran.fetch_add(1, SeqCst)) };
            say(promises.ask(Key::new("count"), count).ready()??)
        }
    });
    assert_eq!(site.text("/").await, "0");
    assert_eq!(ran.load(SeqCst), 1);
    let ledger = site.ledger();
    assert_eq!(
        ledger.transactions.attempts.get(),
        8,
        "three conflicts and a suspension, three and an answer"
    );
    let story = site.database.story();
    let passes: Vec<&str> = story
        .split(" · ")
        .filter(|event| event.starts_with("pass"))
        .collect();
    assert_eq!(passes[3..5], ["pass 1 attempt 4", "pass 2 attempt 4"]);
    assert_eq!(
        story.matches("begin read").count(),
        1,
        "who met a conflict by writing begins as a writer, in all passes"
    );
    site.quiet().await;
}

/// Services on both sides of Retry record the head that they receive and then change all of it. The
/// next attempt and the next pass see none of these changes.
#[tokio::test(start_paused = true)]
async fn each_attempt_begins_with_the_original_request() {
    #[derive(Clone, Debug)]
    struct Mark(u32);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let change = |place: &'static str| {
        let seen = Arc::clone(&seen);
        MapRequestLayer::new(move |mut request: Request| {
            let mark = request
                .extensions()
                .get::<Mark>()
                .map(|Mark(number)| *number);
            let line = format!("{place} {} {} {mark:?}", request.method(), request.uri());
            seen.lock().unwrap().push((line, request.headers().clone()));
            *request.uri_mut() = format!("{}/{place}", request.uri()).parse().unwrap();
            *request.method_mut() = http::Method::PUT;
            request
                .headers_mut()
                .append("x", HeaderValue::from_static(place));
            request.extensions_mut().insert(Mark(mark.unwrap_or(7) + 1));
            request
        })
    };
    let pool = Pool::new(CountingDatabase::new(), 1);
    let service = ServiceBuilder::new()
        .layer(RepublishLayer::new().ledger(pool.ledger().clone()))
        .layer(change("outer"))
        .layer(RetryLayer::new(
            ConflictPolicy::new().ledger(pool.ledger().clone()),
        ))
        .layer(change("inner"))
        .layer(ConnectionLimitLayer::new(pool.clone()))
        .service(Publish::new(publisher_fn(
            |request: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
                let attempt = transaction.attempt();
                if attempt.number() == attempt.pass() {
                    return Err(TestError(Fault::Conflict).into());
                }
                say(request.promises().ask("one", one).ready()??)
            },
        )));
    let request = http::Request::get("/a")
        .header("x", "came")
        .header("x", "twice")
        .extension(Mark(1));
    let response = service
        .oneshot(request.body(SpooledBody::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(text(response).await, "1");
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let lines: Vec<&str> = seen.iter().map(|(line, _)| line.as_str()).collect();
    let pass = [
        "outer GET /a Some(1)",
        "inner PUT /a/outer Some(2)",
        "inner PUT /a/outer Some(2)",
    ];
    assert_eq!(lines, [pass, pass].concat());
    for (line, headers) in &seen {
        let values: Vec<_> = headers.get_all("x").iter().collect();
        let expected: &[&str] = if line.starts_with("outer") {
            &["came", "twice"]
        } else {
            &["came", "twice", "outer"]
        };
        assert_eq!(values, expected, "{line}");
    }
    assert_quiet(pool.ledger()).await;
}

/// The only connection is held by `/held`, while a new request waits and an old one returns from
/// its promise.
#[tokio::test]
async fn a_further_pass_goes_ahead_of_new_work() {
    let gate = Gate::new();
    let resolve = Arc::new(tokio::sync::Notify::new());
    let site = Site::new(RepublishLayer::new(), {
        let gate = gate.clone();
        let resolve = Arc::clone(&resolve);
        move |request, transaction| {
            let path = request.uri().path().to_owned();
            transaction
                .database()
                .record(format!("{path} {}", request.promises().pass()));
            if path == "/held" {
                gate.wait();
            }
            if path == "/promise" {
                let resolve = Arc::clone(&resolve);
                let wait = || async move {
                    resolve.notified().await;
                    Ok::<_, Infallible>(())
                };
                request.promises().ask("resolve", wait).ready()??;
            }
            say("")
        }
    });
    let ask = |path: &'static str| {
        let site = site.clone();
        tokio::spawn(async move { site.text(path).await })
    };
    let mut requests = vec![ask("/promise")];
    eventually("it is set aside", || {
        site.ledger().of::<PromiseBook>().running.get() == 1
    })
    .await;
    requests.push(ask("/held"));
    eventually("the connection is held", || gate.waiting() == 1).await;
    for count in 1..=3 {
        requests.push(ask("/new"));
        eventually("new work waits", || site.pool.status().queued == count).await;
    }
    resolve.notify_one();
    eventually("the old one is back", || site.pool.status().queued == 4).await;
    gate.open();
    for request in requests {
        assert_eq!(request.await.unwrap(), "");
    }
    assert_eq!(
        site.database.story(),
        "/promise 1 · /held 1 · /promise 2 · /new 1 · /new 1 · /new 1"
    );
    site.quiet().await;
}

#[tokio::test]
async fn a_pass_that_suspends_without_promises_is_published_again() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let promises = request.promises();
        if promises.pass() == 1 {
            return Err(promises.suspend().into());
        }
        say(promises.pass())
    });
    assert_eq!(text(site.ask("/").await.unwrap()).await, "2");
    assert_quiet(site.ledger()).await;
}

#[tokio::test]
async fn unbound_promises_are_those_of_the_request() {
    let site = Site::new(RepublishLayer::new(), |request, _| {
        let unbound = request.promises().unbound();
        assert!(!request.promises().is_pending());
        let promised = unbound.promises().ask("one", one);
        assert_eq!(request.promises().is_pending(), promised.get().is_none());
        let value = match promised.get() {
            Some(value) => value?,
            None => return Err(unbound.promises().suspend().into()),
        };
        assert!(request.promises().ask("one", one).get().is_some());
        say(format!("{value} in pass {}", request.promises().pass()))
    });
    assert_eq!(text(site.ask("/").await.unwrap()).await, "1 in pass 2");
    assert_quiet(site.ledger()).await;
}
