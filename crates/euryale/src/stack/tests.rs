use std::sync::{Arc, Mutex};
use std::time::Duration;

use euryale_core::{Fault, History, Internal, InternalRequest};
use euryale_publisher::RespondLayer;
use euryale_spool::SpoolLayer;
use euryale_test::{CountingDatabase, TestError, assert_quiet};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{Stack, StackService};
use crate::{Abort, Body, Pool, Response};

fn pool() -> Pool<CountingDatabase> {
    Pool::new(CountingDatabase::new(), 1)
}

async fn ask(stack: &StackService, method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(body.to_owned()).unwrap();
    let response = stack.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn a_request_goes_through_all_layers_and_one_ledger() {
    let pool = pool();
    let stack = Stack::new(pool.clone()).publish_fn(|request, transaction| {
        transaction.connection()?;
        match request.uri().path() {
            "/conflict" if transaction.attempt().number() < 3 => Err(TestError(Fault::Conflict).into()),
            "/storm" => Err(TestError(Fault::Conflict).into()),
            "/missing" => Err(Abort::status(StatusCode::NOT_FOUND)),
            "/panic" => std::panic::resume_unwind(Box::new("as scripted")),
            _ => Ok(Response::new(Body::from(request.body().to_bytes()?))),
        }
    });
    assert_eq!(ask(&stack, Method::POST, "/", "echo").await, (StatusCode::OK, "echo".to_owned()));
    assert_eq!(ask(&stack, Method::POST, "/conflict", "again").await, (StatusCode::OK, "again".to_owned()));
    assert_eq!(ask(&stack, Method::GET, "/missing", "").await, (StatusCode::NOT_FOUND, String::new()));
    assert_eq!(ask(&stack, Method::GET, "/storm", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&stack, Method::GET, "/panic", "").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    let ledger = pool.ledger();
    assert_eq!((ledger.conflicts.resolved.get(), ledger.conflicts.exhausted.get()), (1, 1));
    assert_eq!(ledger.conflicts.attempts.get(), 1 + 3 + 1 + 4 + 1);
    assert_eq!(ledger.spool.bytes.peak(), 5);
    assert_quiet(ledger).await;
}

#[tokio::test]
async fn its_layers_can_be_set() {
    let pool = Pool::builder(CountingDatabase::new()).connections(1).lane("posts", 1).build();
    let stack = Stack::new(pool.clone())
        .spool(SpoolLayer::new().limit(3).admit(|parts: &http::request::Parts| match parts.uri.path() {
            "/closed" => Err(crate::Error::new(crate::ErrorKind::Closed)),
            _ => Ok(()),
        }))
        .respond(RespondLayer::new().page(|problem| Response::new(Body::from(problem.uri.path().to_owned()))))
        .lane(pool.lane("posts").unwrap(), |request| request.method() == Method::POST)
        .deadline(Duration::from_secs(60))
        .abort_if_gone(|_| true)
        .publish_fn(|_, _| Ok(Response::new(Body::from("published"))));
    assert_eq!(ask(&stack, Method::POST, "/", "abc").await, (StatusCode::OK, "published".to_owned()));
    let large = Request::post("/large").header("accept", "text/html").body("abcd".to_owned()).unwrap();
    let response = stack.clone().oneshot(large).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/large");
    assert_eq!(
        ask(&stack, Method::POST, "/closed", "ab").await.0,
        StatusCode::SERVICE_UNAVAILABLE,
        "the site's own"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn an_application_can_make_requests_to_itself() {
    let pool = pool();
    let seen: Arc<Mutex<Option<http::Extensions>>> = Arc::default();
    let kept = seen.clone();
    let stack = Stack::new(pool.clone()).publish_fn(move |request, _| {
        *kept.lock().unwrap() = Some(request.extensions().clone());
        let depth = request.extensions().get::<InternalRequest>().map_or(0, InternalRequest::depth);
        Ok(Response::new(Body::from(depth.to_string())))
    });
    assert_eq!(ask(&stack, Method::GET, "/", "").await.1, "0");
    for depth in ["1", "2"] {
        let outer = seen.lock().unwrap().take().unwrap();
        let internal = outer.get::<Internal>().unwrap();
        let mut request = Request::new(Body::empty());
        *request.extensions_mut() = outer.clone();
        request.extensions_mut().insert(History::default().after_conflict(true));
        let response = internal.request(request, &outer).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), depth);
        let inner = seen.lock().unwrap().clone().unwrap();
        assert!(inner.get::<History>().is_none(), "a request of its own");
    }
    assert_quiet(pool.ledger()).await;
}
