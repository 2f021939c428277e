//! Every refusal of the stack, as a client sees it: the status, Retry-After, and the body's type.

use std::collections::BTreeSet;
use std::time::Duration;

use euryale::connection::{QUEUE_ELAPSED, QUEUE_FULL};
use euryale::deferred::DEFERRED_FAILED;
use euryale::error::{
    APPLICATION, BODY_STALLED, CLIENT_GONE, CLOSED, CONFLICT, Code, ELAPSED, IN_DOUBT, LANE_FULL,
    NO_DESCRIPTOR, NO_WORKER, PANICKED, PUBLISH_ELAPSED, STORAGE_FULL, UNAVAILABLE, WOULD_DEADLOCK,
};
use euryale::promise::{PASS_LIMIT, PROMISE_LIMIT, SUSPENDED_FULL};
use euryale::publisher::{CONFLICTS_EXHAUSTED, ConflictPolicy};
use euryale::spool::{
    BODY_TOO_LARGE, MALFORMED, SPOOL_BUSY, SPOOL_FULL, SPOOL_UNAVAILABLE, SpoolLayer,
};
use euryale::transaction::Fault;
use euryale::transform::TRANSFORM_FAILED;
use euryale::{Abort, Body, Error, Pool, Response, Stack};
use euryale_test::{Behaviour, CountingDatabase, Step, assert_quiet};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Each code with its status. All 503s carry `Retry-After: 1`, and nothing else does.
///
/// Left out: a suspension, and a refusal with a response, which never become an error page.
const REFUSALS: [(Code, u16); 28] = [
    (QUEUE_FULL, 503),
    (QUEUE_ELAPSED, 503),
    (CLOSED, 503),
    (NO_WORKER, 503),
    (UNAVAILABLE, 503),
    (CONFLICT, 503),
    (CONFLICTS_EXHAUSTED, 503),
    (SPOOL_UNAVAILABLE, 503),
    (SPOOL_BUSY, 503),
    (SUSPENDED_FULL, 503),
    (LANE_FULL, 503),
    (NO_DESCRIPTOR, 503),
    (PUBLISH_ELAPSED, 504),
    (ELAPSED, 504),
    (PANICKED, 500),
    (IN_DOUBT, 500),
    (CLIENT_GONE, 500),
    (WOULD_DEADLOCK, 500),
    (TRANSFORM_FAILED, 500),
    (APPLICATION, 500),
    (DEFERRED_FAILED, 502),
    (BODY_TOO_LARGE, 413),
    (BODY_STALLED, 408),
    (SPOOL_FULL, 507),
    (STORAGE_FULL, 507),
    (PASS_LIMIT, 508),
    (PROMISE_LIMIT, 508),
    (MALFORMED, 400),
];

type Request = http::Request<String>;

fn request(method: &str, path: &str, accept: &str, body: &'static str) -> Request {
    http::Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept)
        .body(body.to_owned())
        .unwrap()
}

/// Checks a refusal as a program sees it, or as a browser does.
async fn check(response: Response, status: u16, accept: &str, case: &str) {
    let is_browser = accept == "text/html";
    assert_eq!(response.status(), status, "{case}");
    let headers = response.headers().clone();
    let retry_after = headers.get("retry-after").map(http::HeaderValue::as_bytes);
    let expected = (status == 503).then_some(b"1".as_slice());
    assert_eq!(retry_after, expected, "{case}");
    let content_type = if is_browser {
        "text/html; charset=utf-8"
    } else {
        "application/problem+json"
    };
    assert_eq!(headers["content-type"], content_type, "{case}");
    assert_eq!(headers["cache-control"], "no-store", "{case}");
    assert_eq!(headers["vary"], "accept", "{case}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let named = if is_browser {
        format!("<title>{status} ")
    } else {
        "{\"type\":\"about:blank\",\"title\":\"".to_owned()
    };
    assert!(body.contains(&named), "{case}: {body}");
    assert!(!body.contains("secret"), "{case}: {body}");
}

#[test]
fn no_two_codes_have_the_same_name() {
    let names: BTreeSet<&str> = REFUSALS.iter().map(|(code, _)| code.name()).collect();
    assert_eq!(names.len(), REFUSALS.len());
}

#[tokio::test]
async fn each_code_has_its_status_and_body() {
    for (code, status) in REFUSALS {
        let pool = Pool::new(CountingDatabase::new(), 1);
        let ledger = pool.ledger().clone();
        let stack = Stack::new(pool)
            .retry(ConflictPolicy::new().retries(0))
            .publish(move |_, _| Err(Abort::error(Error::with_source(code, "secret"))));
        for accept in ["*/*", "text/html"] {
            for method in ["GET", "POST"] {
                let request = request(method, "/", accept, "");
                let response = stack.clone().oneshot(request).await.unwrap();
                let case = format!("{code:?} {method} {accept}");
                check(response, status, accept, &case).await;
            }
        }
        drop(stack);
        assert_quiet(&ledger).await;
    }
}

/// The same refusals, caused by the layers themselves.
#[tokio::test]
async fn layers_refuse_with_the_same_statuses() {
    for accept in ["*/*", "text/html"] {
        layers_refuse(accept).await;
    }
}

async fn layers_refuse(accept: &str) {
    let database = CountingDatabase::new();
    let pool = Pool::builder(database).connections(1).build();
    let ledger = pool.ledger().clone();
    let stack = Stack::new(pool.clone())
        .retry(ConflictPolicy::new().retries(0))
        .spool(SpoolLayer::new().limit(3))
        .publish(|request, transaction| {
            transaction.connection()?;
            match request.uri().path() {
                "/panic" => panic!("secret"),
                "/error" => Err(Abort::error("secret")),
                _ => Ok(Response::new(Body::empty())),
            }
        });
    let fails = Behaviour::Fail;
    let cases = [
        ("/", Some((Step::Connect, fails(Fault::Other))), "", 503),
        (
            "/",
            Some((Step::Begin, fails(Fault::Disconnected))),
            "",
            503,
        ),
        ("/", Some((Step::Commit, fails(Fault::Conflict))), "", 503),
        ("/", Some((Step::Commit, fails(Fault::InDoubt))), "", 500),
        ("/", Some((Step::Commit, fails(Fault::Full))), "", 507),
        ("/panic", None, "", 500),
        ("/error", None, "", 500),
        ("/", None, "more", 413),
    ];
    for (path, script, body, status) in &cases {
        if let Some((step, behaviour)) = script {
            pool.database().script(*step, [behaviour.clone()]);
        }
        let request = request("POST", path, accept, body);
        let response = stack.clone().oneshot(request).await.unwrap();
        let case = format!("{path} {script:?} {accept}");
        check(response, *status, accept, &case).await;
        pool.database().clear_script();
    }
    pool.close(Duration::from_secs(10)).await.unwrap();
    let request = request("GET", "/", accept, "");
    let response = stack.clone().oneshot(request).await.unwrap();
    check(response, 503, accept, "a closed pool").await;
    drop(stack);
    assert_quiet(&ledger).await;
}
