//! Asynchronous axum handlers with our types: their responses, and what happens to their errors.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use axum::Router;
use axum::extract::{FromRef, Request as AxumRequest, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response as AxumResponse};
use axum::routing::get;
use euryale::blob::ServeBlobLayer;
use euryale::deferred::DeferredLayer;
use euryale::error::APPLICATION;
use euryale::promise::{HandlerPromises, PromisesExt, RepublishLayer};
use euryale::publisher::ConflictPolicy;
use euryale::respond::RespondLayer;
use euryale::spool::SpoolLayer;
use euryale::transaction::Fault;
use euryale::{Abort, Blob, Body, Deferred, Error, Pool, Request, Response};
use euryale_test::{Behaviour, CountingDatabase, Step, assert_quiet};
use http::StatusCode;
use http_body_util::BodyExt;
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::trace::TraceLayer;

/// The handlers' shared state, of which the pool is one part.
#[derive(Clone)]
struct App {
    pool: Pool<CountingDatabase>,
    calls: Arc<AtomicU32>,
}

impl FromRef<App> for Pool<CountingDatabase> {
    fn from_ref(app: &App) -> Self {
        app.pool.clone()
    }
}

fn app() -> (App, CountingDatabase) {
    let database = CountingDatabase::new();
    (
        App {
            pool: Pool::new(database.clone(), 1),
            calls: Arc::default(),
        },
        database,
    )
}

/// `?` passes on both errors: the pool's, and the job's.
async fn job(State(pool): State<Pool<CountingDatabase>>) -> Result<String, Abort> {
    let number: u64 = pool
        .run(|connection| connection.id().to_string().parse())
        .await??;
    Ok(format!("connection {number}"))
}

async fn transact(State(app): State<App>) -> Result<String, Abort> {
    app.calls.fetch_add(1, SeqCst);
    Ok(app
        .pool
        .claim()
        .transaction_once(|transaction| Ok(format!("by {}", transaction.connection()?.id())))
        .await?)
}

async fn ask(
    service: impl tower::Service<AxumRequest, Response: IntoResponse, Error = Infallible>,
    accept: &str,
) -> (StatusCode, http::HeaderMap, String) {
    let request = AxumRequest::get("/")
        .header("accept", accept)
        .body(axum::body::Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap().into_response();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

async fn stamp(request: AxumRequest, next: Next) -> AxumResponse {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert("x-stamp", "inside".parse().unwrap());
    response
}

#[tokio::test]
async fn a_job_and_its_errors() {
    let (app, database) = app();
    let router = Router::new().route("/", get(job)).with_state(app.clone());
    assert_eq!(ask(router.clone(), "*/*").await.2, "connection 1");
    app.pool
        .run(|_| std::panic::resume_unwind(Box::new("its connection is dropped")))
        .await
        .unwrap_or(());
    database.script(Step::Connect, [Behaviour::Fail(Fault::Other)]);
    let (status, headers, body) = ask(router, "*/*").await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(
        body,
        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503}\n"
    );
    assert_quiet(app.pool.ledger()).await;
}

#[tokio::test]
async fn an_answer_never_reveals_the_text_of_an_error() {
    async fn parse() -> Result<String, Abort> {
        Ok("x".parse::<u32>()?.to_string())
    }
    let (status, _, body) = ask(Router::new().route("/", get(parse)), "*/*").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.contains("digit"), "{body}");
}

#[tokio::test]
async fn an_abort_with_a_response_is_that_response() {
    async fn refuse() -> Result<String, Abort> {
        Err(Abort::status(StatusCode::FORBIDDEN))
    }
    async fn refused(State(app): State<App>) -> Result<String, Error> {
        app.pool
            .transaction(|_| Err(Abort::response(Body::from("no such row"))))
            .await
    }
    let (app, _) = app();
    assert_eq!(
        ask(Router::new().route("/", get(refuse)), "*/*").await.0,
        StatusCode::FORBIDDEN
    );
    let (status, _, body) = ask(
        Router::new().route("/", get(refused)).with_state(app),
        "*/*",
    )
    .await;
    assert_eq!((status, &*body), (StatusCode::OK, "no such row"));
}

#[tokio::test]
async fn respond_finds_the_error_of_a_handler_behind_foreign_middleware() {
    let (app, _) = app();
    app.pool.close(std::time::Duration::ZERO).await.unwrap();
    let router = Router::new()
        .route("/", get(job))
        .with_state(app)
        .layer(from_fn(stamp))
        .layer(TraceLayer::new_for_http())
        .layer(RespondLayer::new());
    let (status, headers, body) = ask(router, "text/html").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(body.contains("Try again in a moment"), "{body}");
}

/// Other code has handled the error and replaced the answer.
#[tokio::test]
async fn an_error_whose_status_was_changed_is_left_alone() {
    async fn calm(request: AxumRequest, next: Next) -> AxumResponse {
        let mut response = next.run(request).await;
        *response.status_mut() = StatusCode::OK;
        response
    }
    let router = Router::new()
        .route(
            "/",
            get(async || -> Result<String, Error> { Err(Error::new(APPLICATION)) }),
        )
        .layer(from_fn(calm))
        .layer(RespondLayer::new());
    assert_eq!(ask(router, "text/html").await.0, StatusCode::OK);
}

/// Inside a Spool, bodies are ours; inside axum, errors are responses.
macro_rules! inside {
    ($layer:expr, $router:expr) => {
        ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(SpoolLayer::new())
            .layer($layer)
            .map_request(|request: Request| request.map(axum::body::Body::from))
            .map_result(Error::raise)
            .service($router)
    };
}

#[tokio::test]
async fn a_conflict_of_a_handler_is_retried() {
    let (app, database) = app();
    database.script(
        Step::Commit,
        [
            Behaviour::Fail(Fault::Conflict),
            Behaviour::Fail(Fault::Conflict),
        ],
    );
    let router = Router::new()
        .route("/", get(transact))
        .with_state(app.clone())
        .layer(from_fn(stamp));
    let policy = ConflictPolicy::new().base(std::time::Duration::ZERO);
    let (status, _, body) = ask(inside!(RetryLayer::new(policy), router), "*/*").await;
    assert_eq!((status, &*body), (StatusCode::OK, "by 1"));
    assert_eq!(app.calls.load(SeqCst), 3);
    assert_quiet(app.pool.ledger()).await;
}

async fn weather(asking: HandlerPromises) -> Result<String, Abort> {
    let promises = asking.promises();
    let rain = promises.ask("rain", || async { Ok::<_, Infallible>(0.2) });
    let wind = promises.ask("wind", || async { Ok::<_, Infallible>(17) });
    Ok(format!(
        "{} {} {}",
        rain.ready()??,
        wind.ready()??,
        promises.pass()
    ))
}

#[tokio::test]
async fn a_handler_asks_for_promises() {
    let layer = RepublishLayer::new();
    let router = Router::new().route("/", get(weather)).layer(from_fn(stamp));
    assert_eq!(ask(inside!(layer, router), "*/*").await.2, "0.2 17 2");
}

#[tokio::test]
async fn promises_of_a_handler_without_the_layer_are_an_error() {
    async fn may_ask(asking: Option<HandlerPromises>) -> String {
        asking.is_some().to_string()
    }
    let router = Router::new().route("/", get(weather));
    assert_eq!(
        ask(router, "*/*").await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(
        ask(Router::new().route("/", get(may_ask)), "*/*").await.2,
        "false"
    );
    // A suspension that no layer handles is an error like any other.
    let suspended =
        get(async || -> Result<String, Abort> { Err(euryale::error::Pending::new(()).into()) });
    assert_eq!(
        ask(Router::new().route("/", suspended), "*/*").await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

fn ten() -> Blob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    Blob::new(file).unwrap()
}

#[tokio::test]
async fn a_handler_answers_with_a_file() {
    let router = Router::new()
        .route(
            "/blob",
            get(async || ([("content-type", "text/plain")], ten())),
        )
        .route("/body", get(async || Body::from(ten())))
        .route("/response", get(async || Response::from(ten())))
        .layer(from_fn(stamp))
        .layer(TraceLayer::new_for_http());
    for path in ["/blob", "/body", "/response"] {
        let request = || {
            AxumRequest::get(path)
                .header("range", "bytes=2-4")
                .body(Body::empty())
                .unwrap()
        };
        let alone = router.clone().oneshot(request()).await.unwrap();
        assert_eq!(
            alone.into_body().collect().await.unwrap().to_bytes(),
            "0123456789"
        );
        let served = router.clone().layer(ServeBlobLayer::new());
        let part = served.oneshot(request()).await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.into_body().collect().await.unwrap().to_bytes(), "234");
    }
}

#[tokio::test]
async fn a_handler_answers_with_what_is_still_computed() {
    async fn later() -> Deferred {
        Deferred::blocking(|| {
            let mut response = Response::new(Body::from("late"));
            *response.status_mut() = StatusCode::CREATED;
            Ok::<_, Infallible>(response)
        })
    }
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(DeferredLayer::new())
        .map_err(|never: Infallible| Error::from(never));
    let (status, _, body) = ask(Router::new().route("/", get(later)).layer(layers), "*/*").await;
    assert_eq!((status, &*body), (StatusCode::CREATED, "late"));
}
