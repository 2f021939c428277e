mod transforms;

use euryale_core::error::CLOSED;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use euryale_blob::{BlobPath, OffloadLayer, OffloadTo, ServeBlobLayer};
use euryale_core::request::{Internal, InternalRequest};
use euryale_core::transaction::{Fault, History};
use euryale_core::{Transaction, publisher_fn};
use euryale_respond::RespondLayer;
use euryale_spool::SpoolLayer;
use euryale_test::{CountingDatabase, TestError, assert_quiet};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{Stack, StackInner, StackService};
use crate::blob::BlobBook;
use crate::publisher::ConflictBook;
use crate::spool::SpoolBook;
use crate::{Abort, Body, Pool, Response};

fn pool() -> Pool<CountingDatabase> {
    Pool::new(CountingDatabase::new(), 1)
}

async fn ask(
    stack: &StackService,
    method: Method,
    path: &str,
    body: &'static str,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(body.to_owned())
        .unwrap();
    let response = stack.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (
        status,
        String::from_utf8(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        )
        .unwrap(),
    )
}

#[tokio::test]
async fn a_request_goes_through_all_layers_and_one_ledger() {
    let pool = pool();
    let stack = Stack::new(pool.clone()).publish(|request, transaction| {
        transaction.connection()?;
        match request.uri().path() {
            "/conflict" if transaction.attempt().number() < 3 => {
                Err(TestError(Fault::Conflict).into())
            }
            "/storm" => Err(TestError(Fault::Conflict).into()),
            "/missing" => Err(Abort::status(StatusCode::NOT_FOUND)),
            "/panic" => std::panic::resume_unwind(Box::new("as scripted")),
            _ => Ok(Response::new(Body::from(request.body().to_bytes()?))),
        }
    });
    assert_eq!(
        ask(&stack, Method::POST, "/", "echo").await,
        (StatusCode::OK, "echo".to_owned())
    );
    assert_eq!(
        ask(&stack, Method::POST, "/conflict", "again").await,
        (StatusCode::OK, "again".to_owned())
    );
    assert_eq!(
        ask(&stack, Method::GET, "/missing", "").await,
        (StatusCode::NOT_FOUND, String::new())
    );
    assert_eq!(
        ask(&stack, Method::GET, "/storm", "").await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        ask(&stack, Method::GET, "/panic", "").await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let ledger = pool.ledger();
    assert_eq!(
        (
            ledger.of::<ConflictBook>().resolved.get(),
            ledger.of::<ConflictBook>().exhausted.get()
        ),
        (1, 1)
    );
    assert_eq!(ledger.transactions.attempts.get(), 1 + 3 + 1 + 4 + 1);
    assert_eq!(ledger.of::<SpoolBook>().bytes.peak(), 5);
    assert_quiet(ledger).await;
}

#[tokio::test]
async fn the_layers_of_a_stack_can_be_set() {
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .lane("posts", 1)
        .build();
    let stack = Stack::new(pool.clone())
        .spool(
            SpoolLayer::new()
                .limit(3)
                .admit(|parts: &http::request::Parts| match parts.uri.path() {
                    "/closed" => Err(crate::Error::new(CLOSED)),
                    _ => Ok(()),
                }),
        )
        .respond(
            RespondLayer::new()
                .page(|problem| Response::new(Body::from(problem.uri.path().to_owned()))),
        )
        .lane(pool.lane("posts").unwrap(), |request| {
            request.method() == Method::POST
        })
        .deadline(Duration::from_secs(60))
        .abort_if_gone(|_| true)
        .publish(|_, _| Ok(Response::new(Body::from("published"))));
    assert_eq!(
        ask(&stack, Method::POST, "/", "abc").await,
        (StatusCode::OK, "published".to_owned())
    );
    let large = Request::post("/large")
        .header("accept", "text/html")
        .body("abcd".to_owned())
        .unwrap();
    let response = stack.clone().oneshot(large).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "/large"
    );
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
    let stack = Stack::new(pool.clone()).publish(move |request, _| {
        *kept.lock().unwrap() = Some(request.extensions().clone());
        let depth = request
            .extensions()
            .get::<InternalRequest>()
            .map_or(0, InternalRequest::depth);
        Ok(Response::new(Body::from(depth.to_string())))
    });
    assert_eq!(ask(&stack, Method::GET, "/", "").await.1, "0");
    for depth in ["1", "2"] {
        let outer = seen.lock().unwrap().take().unwrap();
        let internal = Internal::of(&outer).unwrap();
        let mut request = Request::new(Body::empty());
        *request.extensions_mut() = outer.clone();
        request
            .extensions_mut()
            .insert(History::default().after_conflict(true));
        let response = internal.request(request, &outer).await.unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            depth
        );
        let inner = seen.lock().unwrap().clone().unwrap();
        assert!(inner.get::<History>().is_none(), "a request of its own");
    }
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_publishers_file_is_served_in_parts() {
    let pool = pool();
    let file = {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"0123456789").unwrap();
        Arc::new(file)
    };
    let stack = Stack::new(pool.clone())
        .blobs(ServeBlobLayer::new().readers(2))
        .publish(move |_, transaction| {
            transaction.connection()?;
            Ok(Response::new(Body::from(crate::Blob::new(
                file.try_clone()?,
            )?)))
        });
    for (method, range, status, body) in [
        (Method::GET, "bytes=2-4", 206, &b"234"[..]),
        (Method::GET, "lines=1-2", 200, b"0123456789"),
        (Method::GET, "bytes=10-", 416, b""),
        (Method::HEAD, "bytes=2-4", 200, b""),
    ] {
        let request = Request::builder()
            .method(method)
            .header("range", range)
            .body(String::new())
            .unwrap();
        let response = stack.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{range}");
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
    let sent = pool.ledger().of::<BlobBook>();
    assert_eq!(
        (sent.read.get(), sent.read_bytes.get()),
        (2, 13),
        "in the stack's ledger"
    );
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn a_stack_can_leave_files_to_a_proxy() {
    let pool = pool();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "0123456789").unwrap();
    let stack = Stack::new(pool.clone())
        .offload(OffloadLayer::new().map(folder.path(), "/internal"))
        .publish(move |request, _| {
            assert!(!request.headers().contains_key("x-accel-mapping"));
            let mut response =
                Response::new(Body::from(crate::Blob::new(std::fs::File::open(&path)?)?));
            response.extensions_mut().insert(BlobPath(path.clone()));
            response
                .headers_mut()
                .insert("x-accel-redirect", "/etc/passwd".parse().unwrap());
            Ok(response)
        });
    for (to, order, body) in [
        (None, None, "0123456789"),
        (Some(OffloadTo::Accel), Some("/internal/file"), ""),
    ] {
        let mut request = Request::get("/")
            .header("x-accel-mapping", "/=/")
            .body(String::new())
            .unwrap();
        to.map(|to| request.extensions_mut().insert(to));
        let response = stack.clone().oneshot(request).await.unwrap();
        let field = response
            .headers()
            .get("x-accel-redirect")
            .map(|value| value.to_str().unwrap());
        assert_eq!(field, order);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
    assert_eq!(pool.ledger().of::<BlobBook>().offload.get(), 1);
    assert_quiet(pool.ledger()).await;
}

/// Errors of a program's own layer are answered, other body types are accepted, and sub-requests
/// also pass through the layer.
#[tokio::test]
async fn a_layer_of_the_program_is_inside_respond() {
    let pool = pool();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        tower::util::MapRequestLayer::new(move |request: Request<Body>| {
            seen.lock().unwrap().push(name);
            request
        })
    };
    let refuse = tower::layer::layer_fn(|inner: StackInner| {
        tower::service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            async move {
                if request.headers().contains_key("x-refuse") {
                    return Err(crate::Error::new(CLOSED));
                }
                Ok(inner
                    .oneshot(request)
                    .await?
                    .map(|body| http_body_util::Limited::new(body, 1000)))
            }
        })
    });
    let stack = Stack::new(pool.clone())
        .layer(note("first"))
        .layer(refuse)
        .layer(note("last"))
        .publish(|_, _| Ok(Response::new(Body::from("published"))));
    assert_eq!(
        ask(&stack, Method::GET, "/", "").await,
        (StatusCode::OK, "published".to_owned())
    );
    assert_eq!(*seen.lock().unwrap(), ["first", "last"]);
    let refused = Request::get("/")
        .header("x-refuse", "1")
        .body(String::new())
        .unwrap();
    assert_eq!(
        stack.clone().oneshot(refused).await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(*seen.lock().unwrap(), ["first", "last", "first"]);
    let inside = Request::get("/").body(Body::empty()).unwrap();
    stack
        .internal()
        .request(inside, &http::Extensions::new())
        .await
        .unwrap();
    assert_eq!(seen.lock().unwrap().len(), 5);
    assert_quiet(pool.ledger()).await;
}

/// Type names grow with each layer, and compile times with them. Boxes at the crates' edges keep
/// them short, even if the layers are composed by hand.
#[test]
fn the_types_of_a_full_stack_are_short() {
    fn check<S: tower::Service<Request<Body>>>(_: &S) {
        for name in [
            std::any::type_name::<S>(),
            std::any::type_name::<S::Future>(),
        ] {
            assert!(name.len() < 4096, "{} bytes: {name}", name.len());
        }
    }
    let proxies = euryale_forwarded::TrustedProxies::default();
    let outer = tower::ServiceBuilder::new()
        .layer(euryale_forwarded::ForwardedLayer::new(proxies.clone()))
        .layer(euryale_forwarded::VirtualHostLayer::new(proxies));
    let publisher = publisher_fn(
        |_: &crate::Request, _: &mut Transaction<'_, CountingDatabase>| {
            Ok(Response::new(Body::empty()))
        },
    );
    let chain = euryale_transform::TransformChainLayer::new();
    let stack = Stack::new(pool())
        .transforms(chain.clone())
        .offload(OffloadLayer::new());
    check(
        &outer
            .clone()
            .service(stack.publish(|_, _| Ok(Response::new(Body::empty())))),
    );
    let by_hand = outer
        .layer(chain)
        .layer(RespondLayer::new())
        .layer(ServeBlobLayer::new())
        .layer(OffloadLayer::new())
        .layer(euryale_deferred::DeferredLayer::new())
        .layer(SpoolLayer::new())
        .layer(euryale_promise::RepublishLayer::new())
        .layer(tower::retry::RetryLayer::new(
            euryale_publisher::ConflictPolicy::new(),
        ))
        .layer(euryale_connection::ConnectionLimitLayer::new(pool()))
        .service(euryale_publisher::Publish::new(publisher));
    check(&by_hand);
}
