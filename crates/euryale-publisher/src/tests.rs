mod early;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::body::{BlobHandle, DeferredHandle, SpooledBody};
use euryale_core::error::{APPLICATION, IN_DOUBT, PUBLISH_ELAPSED};
use euryale_core::transaction::{Access, Attempt, Fault};
use euryale_core::{
    Abort, Blob, Body, Error, Publisher, Request, Response, Transaction, publisher_fn,
};
use euryale_test::Behaviour::Fail;
use euryale_test::{CountingDatabase, Gate, Step, TestError, assert_quiet, eventually};
use http::{Method, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::{CONFLICTS_EXHAUSTED, ConflictBook, ConflictPolicy, Publish};

type Tx<'a> = Transaction<'a, CountingDatabase>;

/// A stack of Retry, ConnectionLimit and Publish, on a pool of one connection.
struct Onion {
    pool: Pool<CountingDatabase>,
    service: BoxCloneSyncService<Request, Response, Error>,
}

impl Onion {
    fn new<F>(publisher: F) -> Self
    where
        F: Fn(&Request, &mut Tx<'_>) -> Result<Response, Abort> + Send + Sync + 'static,
    {
        Self::with(|publish| publish, publisher)
    }

    fn with<F>(settings: impl Fn(Publish<F>) -> Publish<F>, publisher: F) -> Self
    where
        F: Fn(&Request, &mut Tx<'_>) -> Result<Response, Abort> + Send + Sync + 'static,
    {
        let pool = Pool::new(CountingDatabase::new(), 1);
        let policy = ConflictPolicy::new()
            .base(Duration::from_micros(100))
            .ledger(pool.ledger().clone());
        let service = ServiceBuilder::new()
            .layer(RetryLayer::new(policy))
            .layer(ConnectionLimitLayer::new(pool.clone()))
            .service(settings(Publish::new(publisher)));
        Self {
            pool,
            service: BoxCloneSyncService::new(service),
        }
    }

    async fn ask(&self, method: Method, body: &'static str) -> Result<Response, Error> {
        let request = http::Request::builder()
            .method(method)
            .uri("/page")
            .body(SpooledBody::from(body))
            .unwrap();
        self.service.clone().oneshot(request).await
    }

    async fn get(&self) -> Result<Response, Error> {
        self.ask(Method::GET, "").await
    }

    fn story(&self) -> String {
        self.pool.database().story()
    }

    async fn quiet(&self) {
        assert_quiet(self.pool.ledger()).await;
    }
}

async fn text(response: Response) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

fn page() -> Result<Response, Abort> {
    Ok(Response::new(Body::from("page")))
}

#[tokio::test]
async fn safe_methods_begin_as_readers_and_others_as_writers() {
    let onion = Onion::new(|_, transaction| {
        transaction.connection()?;
        page()
    });
    for (method, begun) in [
        (Method::GET, "read"),
        (Method::HEAD, "read"),
        (Method::POST, "write"),
        (Method::DELETE, "write"),
    ] {
        onion.ask(method.clone(), "").await.unwrap();
        assert!(
            onion.story().contains(&format!("begin {begun} · commit")),
            "{method}"
        );
    }
    onion.quiet().await;
}

#[tokio::test]
async fn a_conflict_is_published_again_with_everything_fresh() {
    #[derive(Clone)]
    struct Left;
    let onion = Onion::new(|request, transaction| {
        let database = transaction.database().clone();
        transaction.connection()?;
        let attempt = transaction.attempt().clone();
        assert_eq!(
            request.extensions().get::<Attempt>().unwrap().number(),
            attempt.number()
        );
        let seen = attempt.with(|seen: &mut Vec<u32>| {
            seen.push(attempt.number());
            seen.clone()
        });
        assert_eq!(seen, [attempt.number()], "nothing of another attempt");
        assert!(request.extensions().get::<Left>().is_none());
        let mut body = String::new();
        request.body().clone().read_to_string(&mut body)?;
        assert_eq!(body, "the same body");
        let number = attempt.number();
        transaction.after_commit(move || database.record(format!("after commit {number}")));
        if attempt.number() < 3 {
            return Err(TestError(Fault::Conflict).into());
        }
        page()
    });
    let response = onion.ask(Method::POST, "the same body").await.unwrap();
    assert_eq!(text(response).await, "page");
    let again = "begin write · abort";
    assert_eq!(
        onion.story(),
        format!("connect · {again} · {again} · begin write · commit · after commit 3")
    );
    let ledger = onion.pool.ledger();
    assert_eq!(ledger.transactions.attempts.get(), 3);
    assert_eq!(ledger.of::<ConflictBook>().resolved.get(), 1);
    onion.quiet().await;
}

#[tokio::test]
async fn a_reader_that_met_a_conflict_is_published_as_a_writer() {
    let onion = Onion::new(|_, transaction| {
        transaction.connection()?;
        if transaction.attempt().number() == 1 {
            return Err(TestError(Fault::Conflict).into());
        }
        assert_eq!(
            transaction.attempt().history().access(&Method::GET),
            Access::Write
        );
        page()
    });
    onion.get().await.unwrap();
    assert_eq!(
        onion.story(),
        "connect · begin read · abort · begin write · commit"
    );
    onion.quiet().await;
}

#[tokio::test]
async fn exhausted_conflicts_end_in_an_error_and_no_hook() {
    let onion = Onion::new(|_, transaction| {
        transaction.connection()?;
        let database = transaction.database().clone();
        transaction.after_commit(move || database.record("never"));
        page()
    });
    onion
        .pool
        .database()
        .script(Step::Commit, std::iter::repeat_n(Fail(Fault::Conflict), 4));
    let error = onion.get().await.unwrap_err();
    assert_eq!(error.code(), CONFLICTS_EXHAUSTED);
    assert!(
        std::error::Error::source(&error).is_some(),
        "with its cause"
    );
    assert!(!onion.story().contains("never"));
    assert_eq!(onion.pool.ledger().of::<ConflictBook>().exhausted.get(), 1);
    onion.quiet().await;
}

#[tokio::test]
async fn a_commit_in_doubt_is_never_retried() {
    let onion = Onion::new(|_, transaction| {
        transaction.connection()?;
        page()
    });
    onion
        .pool
        .database()
        .script(Step::Commit, [Fail(Fault::InDoubt)]);
    assert_eq!(onion.get().await.unwrap_err().code(), IN_DOUBT);
    assert_eq!(onion.pool.ledger().transactions.attempts.get(), 1);
    assert_eq!(onion.pool.ledger().transactions.in_doubt.get(), 1);
    onion.quiet().await;
}

#[tokio::test]
async fn framing_headers_of_a_publisher_are_dropped() {
    let onion = Onion::new(|_, _| {
        let mut response = Response::new(Body::from("body"));
        for name in [
            "content-length",
            "transfer-encoding",
            "connection",
            "keep-alive",
            "upgrade",
            "trailer",
            "te",
            "x-accel-redirect",
            "x-accel-buffering",
            "x-sendfile",
            "content-type",
            "set-cookie",
        ] {
            response.headers_mut().append(name, "3".parse().unwrap());
        }
        response
            .headers_mut()
            .append("set-cookie", "again".parse().unwrap());
        Ok(response)
    });
    let response = onion.get().await.unwrap();
    let mut names: Vec<&str> = response
        .headers()
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "set-cookie"]);
    assert_eq!(
        response.headers().get_all("set-cookie").iter().count(),
        2,
        "no cookie is lost"
    );
}

#[tokio::test]
async fn statuses_without_a_body_have_none_and_informational_ones_are_errors() {
    let onion = Onion::new(|request, _| {
        let mut response = Response::new(Body::from("body"));
        let status = request
            .body()
            .as_bytes()
            .map(|status| StatusCode::from_bytes(status).unwrap());
        *response.status_mut() = status.unwrap();
        Ok(response)
    });
    for (status, length) in [("200", 4), ("404", 4), ("204", 0), ("205", 0), ("304", 0)] {
        let response = onion.ask(Method::POST, status).await.unwrap();
        assert_eq!(
            response.body().size_hint().exact(),
            Some(length),
            "{status}"
        );
    }
    let refusing = Onion::new(|_, _| Err(Abort::status(StatusCode::SWITCHING_PROTOCOLS)));
    let error = refusing.get().await.unwrap_err();
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("101"),
        "as an abort, too"
    );
    for status in ["100", "101", "199"] {
        let error = onion.ask(Method::POST, status).await.unwrap_err();
        assert_eq!(error.code(), APPLICATION, "{status}");
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .to_string()
                .contains(status)
        );
    }
    onion.quiet().await;
}

#[tokio::test]
async fn head_is_published_as_get_and_keeps_its_length() {
    let onion = Onion::new(|request, _| {
        assert_eq!(request.method(), Method::GET);
        page()
    });
    let response = onion.ask(Method::HEAD, "").await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(4));
    assert_eq!(text(response).await, "");
}

/// A publisher that answers HEAD itself.
struct OwnHead(fn(&Request) -> Response);

impl Publisher<CountingDatabase> for OwnHead {
    fn publish(&self, request: &Request, _: &mut Tx<'_>) -> Result<Response, Abort> {
        Ok(self.0(request))
    }

    fn answers_head(&self) -> bool {
        true
    }
}

async fn head_by(answer: fn(&Request) -> Response) -> Response {
    let pool = Pool::new(CountingDatabase::new(), 1);
    // The publisher is called through the wrapper types.
    let publisher: Box<dyn Publisher<CountingDatabase>> = Box::new(Arc::new(OwnHead(answer)));
    let service = ConnectionLimitLayer::new(pool.clone()).layer(Publish::new(publisher));
    let request = http::Request::head("/page").body(SpooledBody::empty());
    let response = service.oneshot(request.unwrap()).await.unwrap();
    assert_quiet(pool.ledger()).await;
    response
}

#[tokio::test]
async fn a_publisher_that_answers_head_is_given_head() {
    let response = head_by(|request| {
        let method = request.method().as_str();
        Response::new(Body::from(method.to_owned()))
    });
    let response = response.await;
    assert_eq!(response.body().size_hint().exact(), Some(4), "of HEAD");
    assert_eq!(text(response).await, "", "but its body is not sent");
}

#[tokio::test]
async fn an_answer_to_head_without_a_body_has_the_length_that_it_declares() {
    for (declared, exact) in [("4711", 4711), ("many", 0), ("0", 0)] {
        let response = head_by(match declared {
            "4711" => |_| with_length("4711"),
            "many" => |_| with_length("many"),
            _ => |_| with_length("0"),
        });
        let response = response.await;
        assert_eq!(response.body().size_hint().exact(), Some(exact));
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(text(response).await, "");
    }
}

fn with_length(length: &'static str) -> Response {
    let response = http::Response::builder().header("content-length", length);
    response.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn head_leaves_a_deferred_response_to_the_layer_that_computes_it() {
    let onion = Onion::new(|_, _| Ok(Response::new(Body::deferred(async { ok() }))));
    let response = onion.ask(Method::HEAD, "").await.unwrap();
    let deferred = response.extensions().get::<DeferredHandle>().unwrap();
    assert!(deferred.take().is_some());
    assert_eq!(text(response).await, "", "and nobody else starts it");
}

fn ok() -> Result<Response, Error> {
    Ok(Response::default())
}

#[tokio::test]
async fn a_blob_is_counted_until_it_is_sent() {
    let onion = Onion::new(|_, _| {
        let mut file = tempfile::tempfile()?;
        file.write_all(b"blob")?;
        Ok(Response::new(Body::from(Blob::new(file)?)))
    });
    let response = onion.get().await.unwrap();
    assert_eq!(onion.pool.ledger().blobs.open.get(), 1);
    assert_eq!(response.extensions().get::<BlobHandle>().unwrap().len(), 4);
    assert_eq!(text(response).await, "blob");
    onion.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_publication_past_its_deadline_is_answered_and_not_committed() {
    let gate = Gate::new();
    let at = gate.clone();
    let onion = Onion::with(
        |publish| publish.deadline(Duration::from_secs(60)),
        move |_, transaction| {
            transaction.connection()?;
            at.wait();
            page()
        },
    );
    let get = http::Request::get("/page")
        .body(SpooledBody::empty())
        .unwrap();
    let asked = tokio::spawn(onion.service.clone().oneshot(get));
    eventually("it is published", || gate.waiting() == 1).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(asked.await.unwrap().unwrap_err().code(), PUBLISH_ELAPSED);
    assert_eq!(onion.pool.status().running, 1, "and keeps its permit");
    gate.open();
    onion.quiet().await;
    assert_eq!(onion.story(), "connect · begin read · abort");
}

#[tokio::test]
async fn the_response_of_a_nested_refusal_is_framed_as_well() {
    let onion = Onion::new(|_, _| {
        let mut response = Response::new(Body::from("body"));
        response
            .headers_mut()
            .insert("content-length", "3".parse().unwrap());
        response
            .headers_mut()
            .insert("x-accel-redirect", "/secret".parse().unwrap());
        Err(Error::refused(response).into())
    });
    assert!(onion.get().await.unwrap().headers().is_empty());
}

#[tokio::test]
async fn a_request_without_client_is_finished_or_aborted_by_its_route() {
    for (abort, story) in [
        (false, "begin write · commit"),
        (true, "begin write · abort"),
    ] {
        let gate = Gate::new();
        let at = gate.clone();
        let onion = Onion::with(
            |publish| {
                publish.abort_if_gone(move |request| abort && request.uri().path() == "/page")
            },
            move |_, transaction| {
                transaction.connection()?;
                at.wait();
                page()
            },
        );
        let asked = tokio::spawn(
            onion.service.clone().oneshot(
                http::Request::post("/page")
                    .body(SpooledBody::empty())
                    .unwrap(),
            ),
        );
        eventually("it is published", || gate.waiting() == 1).await;
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        gate.open();
        onion.quiet().await;
        assert_eq!(onion.story(), format!("connect · {story}"));
    }
}

/// A publication that only reads is stopped when its client leaves.
#[tokio::test]
async fn a_reader_whose_client_has_left_is_stopped() {
    let onion = Onion::new(|_, transaction| {
        transaction.connection()?.run_until_stopped()?;
        page()
    });
    onion.pool.database().interrupt_by_flag();
    let get = http::Request::get("/page").body(SpooledBody::empty());
    let asked = tokio::spawn(onion.service.clone().oneshot(get.unwrap()));
    eventually("it is published", || {
        onion
            .pool
            .database()
            .events()
            .contains(&"statement".to_owned())
    })
    .await;
    asked.abort();
    onion.quiet().await;
    assert_eq!(onion.story(), "connect · begin read · statement · abort");
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_a_deadline_of_its_own() {
    let onion = Onion::with(
        |publish| {
            publish
                .deadline(Duration::from_secs(10))
                .deadline_for(|request| {
                    (request.method() == Method::PUT).then_some(Duration::from_secs(60))
                })
        },
        |_, transaction| {
            transaction.connection()?.run_until_stopped()?;
            page()
        },
    );
    let database = onion.pool.database();
    database.interrupt_by_flag();
    for (method, seconds) in [(Method::POST, 10), (Method::PUT, 60)] {
        database.story();
        let request = http::Request::builder().method(&method).uri("/page");
        let request = request.body(SpooledBody::empty()).unwrap();
        let asked = tokio::spawn(onion.service.clone().oneshot(request));
        eventually("it is published", || {
            database.events().contains(&"statement".to_owned())
        })
        .await;
        tokio::time::advance(Duration::from_secs(seconds - 1)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!asked.is_finished(), "{method}");
        tokio::time::advance(Duration::from_secs(2)).await;
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.code(), PUBLISH_ELAPSED, "{method}");
        eventually("it has ended", || onion.pool.status().running == 0).await;
    }
    onion.quiet().await;
}

#[tokio::test]
async fn a_rule_decides_the_access_of_a_request() {
    let onion = Onion::with(
        |publish| {
            publish.access(|request| match request.uri().query() {
                Some("read") => Access::Read,
                _ => Access::Write,
            })
        },
        |_, transaction| {
            transaction.connection()?;
            page()
        },
    );
    for (uri, story) in [("/?read", "begin read"), ("/?write", "begin write")] {
        let request = http::Request::post(uri).body(SpooledBody::empty());
        onion
            .service
            .clone()
            .oneshot(request.unwrap())
            .await
            .unwrap();
        assert!(onion.story().contains(story), "{uri}");
    }
}

#[tokio::test]
async fn functions_closures_and_types_are_publishers() {
    struct Counter(AtomicUsize);
    impl Publisher<CountingDatabase> for Counter {
        fn publish(&self, _: &Request, _: &mut Tx<'_>) -> Result<Response, Abort> {
            Ok(Response::new(Body::from(
                self.0.fetch_add(1, SeqCst).to_string(),
            )))
        }
    }
    fn function(_: &Request, _: &mut Tx<'_>) -> Result<Response, Abort> {
        page()
    }
    async fn answers(publisher: impl Publisher<CountingDatabase>, expected: &str) {
        let service = ServiceBuilder::new()
            .layer(ConnectionLimitLayer::new(Pool::new(
                CountingDatabase::new(),
                1,
            )))
            .service(Publish::new(publisher));
        assert_eq!(
            text(service.oneshot(Request::default()).await.unwrap()).await,
            expected
        );
    }
    answers(Arc::new(Counter(AtomicUsize::new(7))), "7").await;
    answers(
        Box::new(function) as Box<dyn Publisher<CountingDatabase>>,
        "page",
    )
    .await;
    answers(
        Arc::new(function) as Arc<dyn Publisher<CountingDatabase>>,
        "page",
    )
    .await;
    answers(publisher_fn::<CountingDatabase, _>(|_, _| page()), "page").await;
}
