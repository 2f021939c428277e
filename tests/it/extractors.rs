//! Arguments of asynchronous axum handlers: handles from the state, and data of the request from
//! extractors.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, FromRef, FromRequestParts, Request as AxumRequest, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response as AxumResponse;
use axum::routing::get;
use euryale::connection::PoolBook;
use euryale::forwarded::{Client, ForwardedLayer, PublicUrl};
use euryale::request::{Internal, Peer, PeerAddr};
use euryale::threads::BlockingLane;
use euryale::{Abort, Error, Ledger, Pool, Stack};
use euryale_server::Shutdown;
use euryale_test::{CountingDatabase, assert_quiet};
use http::StatusCode;
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Every handle of ours is a cheap clone, so it may be (part of) a router's state.
#[derive(Clone)]
struct App {
    pool: Pool<CountingDatabase>,
    cpu: BlockingLane,
    shutdown: Shutdown,
    internal: Internal,
}

impl FromRef<App> for Pool<CountingDatabase> {
    fn from_ref(app: &App) -> Self {
        app.pool.clone()
    }
}

impl FromRef<App> for Ledger {
    fn from_ref(app: &App) -> Self {
        app.pool.ledger().clone()
    }
}

impl FromRef<App> for BlockingLane {
    fn from_ref(app: &App) -> Self {
        app.cpu.clone()
    }
}

impl FromRef<App> for Shutdown {
    fn from_ref(app: &App) -> Self {
        app.shutdown.clone()
    }
}

impl FromRef<App> for Internal {
    fn from_ref(app: &App) -> Self {
        app.internal.clone()
    }
}

async fn handles(
    State(pool): State<Pool<CountingDatabase>>,
    State(ledger): State<Ledger>,
    State(cpu): State<BlockingLane>,
    State(shutdown): State<Shutdown>,
    State(internal): State<Internal>,
) -> Result<String, Abort> {
    let connection = pool.run(|connection| connection.id()).await?;
    let sum = cpu.run(|| (1..=100).sum::<u32>()).await?;
    let request = http::Request::get("/part").body(euryale::Body::empty())?;
    let part = internal
        .request(request, &http::Extensions::new())
        .await?
        .status();
    let draining = shutdown.is_draining();
    let cap = ledger.of::<PoolBook>().connections.cap.get();
    Ok(format!(
        "connection {connection} of {cap}, {sum}, {part}, {draining}"
    ))
}

async fn visitor(client: Client, url: PublicUrl, Extension(peer): Extension<Peer>) -> String {
    format!(
        "{client} by {} at {}",
        peer.address().ip().unwrap(),
        url.url("/news").unwrap()
    )
}

async fn maybe(client: Option<Client>, url: Option<PublicUrl>) -> String {
    format!("{} {}", client.is_some(), url.is_some())
}

fn proxied() -> http::request::Builder {
    let proxy: SocketAddr = ([10, 0, 0, 1], 4711).into();
    let request = http::Request::get("/").extension(Peer::new(PeerAddr::Tcp(proxy)));
    request
        .header("x-forwarded-for", "192.0.2.7")
        .header("x-forwarded-host", "example.org")
}

async fn ask(router: Router) -> (StatusCode, String) {
    let response = router
        .oneshot(proxied().body(axum::body::Body::empty()).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn handles_are_extracted_from_the_state() {
    let pool = Pool::new(CountingDatabase::new(), 2);
    let stack =
        Stack::new(pool.clone()).publish(|_, _| Err(Abort::status(StatusCode::IM_A_TEAPOT)));
    let internal = stack.internal().clone();
    let app = App {
        pool,
        cpu: BlockingLane::cpu().resized(1),
        shutdown: Shutdown::new(),
        internal,
    };
    let router = Router::new()
        .route("/", get(handles))
        .with_state(app.clone());
    let (status, body) = ask(router).await;
    assert_eq!(
        (status, &*body),
        (
            StatusCode::OK,
            "connection 1 of 2, 5050, 418 I'm a teapot, false"
        )
    );
    app.pool.close(Duration::from_secs(5)).await.unwrap();
    assert_quiet(app.pool.ledger()).await;
}

#[tokio::test]
async fn a_handler_extracts_the_client_and_the_public_url() {
    async fn middleware(request: AxumRequest, next: Next) -> AxumResponse {
        next.run(request).await
    }
    let layer = ForwardedLayer::new("10.0.0.0/8".parse().unwrap());
    let router = Router::new()
        .route("/", get(visitor))
        .layer(from_fn(middleware))
        .layer(layer.clone());
    assert_eq!(
        ask(router).await,
        (
            StatusCode::OK,
            "192.0.2.7 by 10.0.0.1 at http://example.org/news".into()
        )
    );
    let router = Router::new().route("/", get(maybe));
    assert_eq!(ask(router.clone()).await.1, "false false");
    assert_eq!(ask(router.layer(layer)).await.1, "true true");
}

/// The client gets no details of a programming mistake. The error says what is missing, and is
/// logged.
#[tokio::test]
async fn a_missing_layer_is_named() {
    for router in [
        Router::new().route("/", get(async |client: Client| client.to_string())),
        Router::new().route("/", get(async |url: PublicUrl| url.to_string())),
    ] {
        let (status, body) = ask(router).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(
            body.starts_with('{') && !body.contains("ForwardedLayer"),
            "{body}"
        );
    }
    let (mut parts, ()) = proxied().body(()).unwrap().into_parts();
    let told = |error: &Error| error.source().unwrap().to_string();
    let missing = <Client as FromRequestParts<()>>::from_request_parts(&mut parts, &())
        .await
        .unwrap_err();
    assert_eq!(
        told(&missing),
        "a handler asks for the `Client`, but no ForwardedLayer stands around it"
    );
    let missing = <PublicUrl as FromRequestParts<()>>::from_request_parts(&mut parts, &())
        .await
        .unwrap_err();
    assert_eq!(
        told(&missing),
        "a handler asks for the `PublicUrl`, but no ForwardedLayer stands around it"
    );
}
