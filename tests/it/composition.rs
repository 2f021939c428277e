//! Each layer works alone in an axum Router, with foreign middleware directly inside it.

use std::convert::Infallible;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request as AxumRequest;
use axum::middleware::{Next, from_fn};
use axum::response::Response as AxumResponse;
use axum::routing::{any, get};
use euryale::blob::{OffloadLayer, ServeBlobLayer};
use euryale::connection::ConnectionLimitLayer;
use euryale::deferred::{DeferredBook, DeferredLayer};
use euryale::forwarded::{CheckHostLayer, ForwardedLayer, TrustedProxies, VirtualHostLayer};
use euryale::promise::RepublishLayer;
use euryale::publisher::{ConflictPolicy, Publish};
use euryale::respond::RespondLayer;
use euryale::spool::{SpoolBook, SpoolLayer};
use euryale::transform::html_content::ContentType;
use euryale::transform::{Handlers, Page, Rewrite, Transform, TransformBook, TransformChainLayer};
use euryale::{Body, Deferred, Error, Ledger, Pool, Request, Response, Stack};
use euryale_test::{CountingDatabase, assert_quiet};
use http_body_util::BodyExt;
use tower::retry::RetryLayer;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::trace::TraceLayer;

/// Middleware as users write it.
async fn stamp(request: AxumRequest, next: Next) -> AxumResponse {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert("x-stamp", "inside".parse().unwrap());
    response
}

/// The inner service of each layer: a route, behind `from_fn` and `TraceLayer`.
fn inside() -> Router {
    Router::new()
        .route(
            "/",
            any(|body: String| async move { format!("route {body}") }),
        )
        .layer(TraceLayer::new_for_http())
        .layer(from_fn(stamp))
}

/// Layers inside a Spool get a spooled body. For those that need axum's, it is converted back.
fn unspooled(request: Request) -> AxumRequest {
    request.map(|body| axum::body::Body::new(Body::from(body)))
}

async fn post(app: Router) -> (u16, String, bool) {
    let request = AxumRequest::post("/")
        .body(axum::body::Body::from("body"))
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let stamped = response.headers().contains_key("x-stamp");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap(), stamped)
}

fn through() -> (u16, String, bool) {
    (200, "route body".to_owned(), true)
}

#[tokio::test]
async fn respond_alone() {
    assert_eq!(post(inside().layer(RespondLayer::new())).await, through());
}

#[tokio::test]
async fn spool_alone() {
    let ledger = Ledger::new();
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new().ledger(ledger.clone()))
        .map_request(unspooled);
    assert_eq!(post(inside().layer(layers)).await, through());
    assert_eq!(ledger.of::<SpoolBook>().bytes.peak(), 4);
    assert_quiet(&ledger).await;
}

/// These layers add no error, so they need no Respond around them.
#[tokio::test]
async fn serve_blob_and_offload_alone() {
    assert_eq!(post(inside().layer(ServeBlobLayer::new())).await, through());
    assert_eq!(post(inside().layer(OffloadLayer::new())).await, through());
}

#[tokio::test]
async fn deferred_alone() {
    let ledger = Ledger::new();
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(DeferredLayer::new().ledger(ledger.clone()))
        .map_err(|never: Infallible| Error::from(never));
    assert_eq!(post(inside().layer(layers.clone())).await, through());
    // A deferred response, in axum's box.
    let later = any(async |body: String| {
        Response::from(Deferred::new(async move {
            Ok::<_, Error>(Response::new(Body::from(format!("later {body}"))))
        }))
    });
    let app = Router::new()
        .route("/", later)
        .layer(TraceLayer::new_for_http())
        .layer(from_fn(stamp));
    assert_eq!(
        post(app.layer(layers)).await,
        (200, "later body".to_owned(), true)
    );
    assert_eq!(ledger.of::<DeferredBook>().ok.get(), 1);
    assert_quiet(&ledger).await;
}

/// Appends to each page.
struct Ending;

impl Transform for Ending {
    fn name(&self) -> &str {
        "ending"
    }

    fn order(&self) -> i32 {
        1
    }
}

impl Rewrite for Ending {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), euryale::BoxError> {
        handlers.end(|end| {
            end.append("!", ContentType::Text);
            Ok(())
        });
        Ok(())
    }
}

#[tokio::test]
async fn transforms_alone() {
    let ledger = Ledger::new();
    let chain = TransformChainLayer::new()
        .rewrite(Ending)
        .ledger(ledger.clone());
    assert_eq!(
        post(inside().layer(chain.clone())).await,
        through(),
        "no HTML"
    );
    let html = any(|body: String| async move { axum::response::Html(format!("html {body}")) });
    let app = Router::new()
        .route("/", html)
        .layer(TraceLayer::new_for_http())
        .layer(from_fn(stamp));
    assert_eq!(
        post(app.layer(chain)).await,
        (200, "html body!".to_owned(), true)
    );
    assert_eq!(ledger.of::<TransformBook>().parsed.get(), 1);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn retry_alone() {
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new())
        .layer(RetryLayer::new(ConflictPolicy::new()))
        .map_request(unspooled)
        .map_err(|never: Infallible| Error::from(never));
    assert_eq!(post(inside().layer(layers)).await, through());
}

#[tokio::test]
async fn republish_alone() {
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new())
        .layer(RepublishLayer::new())
        .map_request(unspooled)
        .map_err(|never: Infallible| Error::from(never));
    assert_eq!(post(inside().layer(layers)).await, through());
}

#[tokio::test]
async fn connection_limit_alone() {
    // Its inner service takes a publication. One that runs no job returns its claim.
    let pool = Pool::new(CountingDatabase::new(), 1);
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(pool.clone()))
        .map_request(|given: euryale::transaction::Publication<_>| unspooled(given.request));
    assert_eq!(post(inside().layer(layers)).await, through());
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn publish_as_a_fallback_behind_foreign_middleware() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let publish = Publish::new(
        |request: &Request, transaction: &mut euryale::Transaction<'_, CountingDatabase>| {
            transaction.connection()?;
            let body = String::from_utf8_lossy(&request.body().to_bytes()?).into_owned();
            Ok(Response::new(Body::from(format!("published {body}"))))
        },
    );
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(pool.clone()))
        .service(publish);
    let app = Router::new()
        .fallback_service(service)
        .layer(TraceLayer::new_for_http())
        .layer(from_fn(stamp));
    assert_eq!(post(app).await, (200, "published body".to_owned(), true));
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_stack_beside_asynchronous_routes() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let stack = Stack::new(pool.clone()).publish(|_, transaction| {
        Ok(Response::new(Body::from(format!(
            "connection {}",
            transaction.connection()?.id()
        ))))
    });
    let app = Router::new()
        .route("/live", get(|| async { "live" }))
        .fallback_service(stack)
        .layer(from_fn(stamp));
    assert_eq!(
        post(app.clone()).await,
        (200, "connection 1".to_owned(), true)
    );
    let live = app
        .oneshot(
            AxumRequest::get("/live")
                .body(axum::body::Body::empty())
                .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(live.status(), 200);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn clones_of_a_layer_share_its_pool_and_ledger() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let layer = ConnectionLimitLayer::new(pool.clone());
    let publish = Publish::new(
        |_: &Request, transaction: &mut euryale::Transaction<'_, CountingDatabase>| {
            Ok(Response::new(Body::from(
                transaction.connection()?.id().to_string(),
            )))
        },
    );
    for service in [layer.layer(publish.clone()), layer.clone().layer(publish)] {
        let body = service
            .oneshot(Request::default())
            .await
            .unwrap()
            .into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "1");
    }
    assert_eq!(pool.ledger().transactions.attempts.get(), 2);
    assert_quiet(pool.ledger()).await;
}

/// tower's own middleware boxes its errors, but can be used between our layers all the same.
#[tokio::test]
async fn foreign_middleware_that_boxes_its_errors() {
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .timeout(std::time::Duration::from_secs(60))
        .layer(SpoolLayer::new().limit(3))
        .map_request(unspooled);
    assert_eq!(
        post(inside().layer(layers)).await.0,
        413,
        "an error of ours keeps its kind"
    );
}

/// axum's middleware takes no errors: they pass it as responses, and become errors again on the
/// other side.
#[tokio::test]
async fn from_fn_between_layers_that_fail() {
    let ledger = Ledger::new();
    let layers = |limit| {
        ServiceBuilder::new()
            .layer(RespondLayer::new())
            .map_result(Error::raise)
            .layer(from_fn(stamp))
            .layer(HandleErrorLayer::new(async |error: Error| error))
            .layer(SpoolLayer::new().limit(limit).ledger(ledger.clone()))
            .layer(RetryLayer::new(ConflictPolicy::new()))
            .map_request(unspooled)
            .map_result(Error::raise)
    };
    assert_eq!(post(inside().layer(layers(4))).await, through());
    let (status, body, _) = post(inside().layer(layers(3))).await;
    assert_eq!(status, 413);
    assert!(
        body.contains("at most 3 bytes"),
        "Respond has seen the error: {body}"
    );
    assert_quiet(&ledger).await;
}

#[test]
fn every_layers_service_gives_back_the_service_inside() {
    macro_rules! check {
        ($($layer:expr),+ $(,)?) => {$(
            let mut service = $layer.layer(7);
            *service.get_mut() += 1;
            assert_eq!(service.get_ref(), &8);
            assert_eq!(service.into_inner(), 8);
        )+};
    }
    check![
        CheckHostLayer::new("example.org".parse().unwrap()),
        ForwardedLayer::new(TrustedProxies::none()),
        VirtualHostLayer::new(TrustedProxies::none()),
        TransformChainLayer::new(),
        RespondLayer::new(),
        ServeBlobLayer::new(),
        OffloadLayer::new(),
        DeferredLayer::new(),
        SpoolLayer::new(),
        RepublishLayer::new(),
        ConnectionLimitLayer::new(Pool::new((), 1)),
    ];
    assert_eq!(euryale_sendfile::axum::sendfile(7).into_inner(), 7);
}
