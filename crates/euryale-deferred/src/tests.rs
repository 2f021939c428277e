mod lanes;

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::body::{BlobHandle, WriterHandle};
use euryale_core::error::{APPLICATION, ELAPSED, LANE_FULL, PANICKED, UNAVAILABLE};
use euryale_core::{Blob, Body, BoxError, Deferred, Error, Ledger, Response};
use euryale_test::assert_quiet;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, Method, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::{DEFERRED_FAILED, DeferredBook, DeferredLayer};

/// Returns the layer's response to a service that returns `answer`.
async fn ask_with(
    layer: DeferredLayer,
    method: Method,
    answer: impl FnOnce() -> Response + Send,
) -> Result<Response, Error> {
    let mut answer = Some(answer);
    let service = service_fn(move |_: http::Request<()>| {
        let response = answer.take().map(|answer| answer());
        async move { response.ok_or_else(|| Error::new(APPLICATION)) }
    });
    let request = http::Request::builder().method(method).body(()).unwrap();
    layer.layer(service).oneshot(request).await
}

async fn ask(answer: impl FnOnce() -> Response + Send) -> Result<Response, Error> {
    ask_with(DeferredLayer::new(), Method::GET, answer).await
}

fn later<E: Into<BoxError>>(
    result: impl FnOnce() -> Result<Response, E> + Send + 'static,
) -> Response {
    Response::from(Deferred::new(async move { result() }))
}

fn blocking<E: Into<BoxError>>(
    result: impl FnOnce() -> Result<Response, E> + Send + 'static,
) -> Response {
    Response::from(Deferred::blocking(result))
}

fn ok(body: impl Into<Body>) -> Result<Response, Error> {
    Ok(Response::new(body.into()))
}

async fn text(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn with_status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from("computed"));
    *response.status_mut() = status;
    response
}

#[tokio::test]
async fn status_type_and_length_are_those_of_the_computed_response() {
    for make in [later, blocking] {
        let response = ask(|| {
            make(|| {
                let mut response = with_status(StatusCode::NOT_FOUND);
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                Ok::<_, Error>(response)
            })
        });
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
        assert_eq!(response.body().size_hint().exact(), Some(8));
        assert_eq!(text(response).await, "computed");
    }
}

#[tokio::test]
async fn headers_beside_the_deferred_body_are_kept_and_framing_is_not() {
    let answer = || {
        let mut response = later(|| {
            let mut response = with_status(StatusCode::OK);
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.append(SET_COOKIE, HeaderValue::from_static("second=2"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("7"));
            headers.insert("x-accel-redirect", HeaderValue::from_static("/etc/passwd"));
            Ok::<_, Error>(response)
        });
        *response.status_mut() = StatusCode::ACCEPTED;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        headers.insert(SET_COOKIE, HeaderValue::from_static("first=1"));
        headers.insert("x-kept", HeaderValue::from_static("yes"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        response
    };
    let response = ask(answer).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let values = |name| response.headers().get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(values("cache-control"), ["no-store"]);
    assert_eq!(values("set-cookie"), ["first=1", "second=2"]);
    assert_eq!(values("x-kept"), ["yes"]);
    assert!(values("content-length").is_empty() && values("x-accel-redirect").is_empty());
}

#[tokio::test]
async fn a_failure_before_the_first_byte_has_its_code() {
    let code = async |answer: Response| ask(|| answer).await.unwrap_err().code();
    assert_eq!(code(later(|| Err("upstream"))).await, DEFERRED_FAILED);
    assert_eq!(code(blocking(|| Err("upstream"))).await, DEFERRED_FAILED);
    assert_eq!(
        code(later(|| Err(Error::new(LANE_FULL)))).await,
        LANE_FULL,
        "its own"
    );
    let panics =
        || -> Result<Response, Error> { std::panic::resume_unwind(Box::new("as scripted")) };
    assert_eq!(code(later(panics)).await, PANICKED);
    assert_eq!(code(blocking(panics)).await, PANICKED);
    let informational = || Ok::<_, Error>(with_status(StatusCode::SWITCHING_PROTOCOLS));
    assert_eq!(code(later(informational)).await, DEFERRED_FAILED);
    assert_eq!(DEFERRED_FAILED.class().status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_all_that_is_deferred() {
    let ledger = Ledger::new();
    let layer = DeferredLayer::new()
        .deadline(Duration::from_secs(5))
        .ledger(ledger.clone());
    let step = |body: Body| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok::<_, Error>(Response::new(body))
    };
    let answer = || Deferred::new(step(Body::deferred(step(Body::empty())))).into();
    let began = tokio::time::Instant::now();
    let error = ask_with(layer, Method::GET, answer).await.unwrap_err();
    assert_eq!((error.code(), began.elapsed().as_secs()), (ELAPSED, 5));
    assert_eq!(ELAPSED.class().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(ledger.of::<DeferredBook>().elapsed.get(), 1);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_response_may_be_deferred_again_but_not_without_end() {
    fn nested(times: u32) -> Response {
        later(move || {
            if times == 0 {
                ok("end")
            } else {
                Ok(nested(times - 1))
            }
        })
    }
    let layer = DeferredLayer::new().depth(3);
    let response = ask_with(layer.clone(), Method::GET, || nested(3))
        .await
        .unwrap();
    assert_eq!(text(response).await, "end");
    let error = ask_with(layer, Method::GET, || nested(4))
        .await
        .unwrap_err();
    assert_eq!(error.code(), DEFERRED_FAILED);
}

#[tokio::test]
async fn head_has_the_head_of_get_and_no_body() {
    let ledger = Ledger::new();
    let computed = || {
        let mut response = with_status(StatusCode::NOT_FOUND);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok::<_, Error>(response)
    };
    let again = move || Ok::<_, Error>(later(computed));
    for answer in [later(computed), blocking(computed), later(again)] {
        // `Publish` leaves the handle in the extensions and drops the body.
        let published = || {
            let mut response = answer;
            Body::publish_handle(&mut response, &Ledger::new());
            response.map(Body::head_only)
        };
        let layer = DeferredLayer::new().ledger(ledger.clone());
        let response = ask_with(layer, Method::HEAD, published).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.body().size_hint().exact(), Some(8));
        assert!(text(response).await.is_empty());
    }
    let failing = || later(|| Err::<Response, _>(Error::new(UNAVAILABLE)));
    let error = ask_with(DeferredLayer::new(), Method::HEAD, failing).await;
    assert_eq!(error.unwrap_err().code(), UNAVAILABLE);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn writer_is_not_started_for_head() {
    let ledger = Ledger::new();
    let writer = || Response::new(Body::writer(|_| panic!("started")));
    let deferred = move || later(move || Ok::<_, Error>(writer()));
    for answer in [writer(), deferred()] {
        let layer = DeferredLayer::new().ledger(ledger.clone());
        let response = ask_with(layer, Method::HEAD, || answer).await.unwrap();
        assert_eq!(response.body().size_hint().exact(), None);
        assert!(text(response).await.is_empty());
    }
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_deferred_response_may_be_a_blob_that_outer_layers_find() {
    let ledger = Ledger::new();
    let layer = DeferredLayer::new().ledger(ledger.clone());
    let answer = || {
        blocking(|| {
            let mut file = nameless();
            file.write_all(b"content")?;
            Ok::<_, std::io::Error>(Response::new(Body::from(Blob::new(file)?)))
        })
    };
    let response = ask_with(layer, Method::GET, answer).await.unwrap();
    let handle = response.extensions().get::<BlobHandle>().unwrap();
    assert_eq!((handle.len(), ledger.blobs.open.get()), (7, 1));
    assert_eq!(text(response).await, "content");
    assert_quiet(&ledger).await;
}

fn nameless() -> std::fs::File {
    let path = std::env::temp_dir().join(format!("euryale-deferred-{}", std::process::id()));
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    file
}

#[tokio::test]
async fn a_deferred_response_may_be_a_stream() {
    let ledger = Ledger::new();
    let layer = DeferredLayer::new().ledger(ledger.clone());
    let answer = || later(|| ok(Body::iter((0..3).map(|n| n.to_string()))));
    let response = ask_with(layer, Method::GET, answer).await.unwrap();
    assert!(response.extensions().get::<WriterHandle>().is_some());
    assert_eq!(
        (
            ledger.of::<DeferredBook>().writers.get(),
            ledger.of::<DeferredBook>().running.get()
        ),
        (1, 0)
    );
    assert_eq!(text(response).await, "012");
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_body_that_another_layer_encoded_is_not_changed() {
    let answer = || {
        let mut response =
            later(|| ok("plain")).map(|body| Body::new(body.map_frame(|frame| frame)));
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    };
    let response = ask(answer).await.unwrap();
    assert_eq!(text(response).await, "plain", "it resolves by itself");
}

#[tokio::test]
async fn a_body_in_a_box_is_found_by_its_handle() {
    let app = axum::Router::new()
        .route(
            "/",
            axum::routing::get(async || later(|| Ok::<_, Error>(with_status(StatusCode::CREATED)))),
        )
        .layer(axum::middleware::map_response(
            async |mut response: axum::response::Response| {
                response
                    .headers_mut()
                    .insert("x-stamp", HeaderValue::from_static("inside"));
                response
            },
        ))
        .layer(
            tower::ServiceBuilder::new()
                .map_err(|_| unreachable!())
                .layer(DeferredLayer::new()),
        );
    let response = app
        .oneshot(http::Request::new(axum::body::Body::empty()))
        .await
        .unwrap();
    assert_eq!(
        (
            response.status(),
            response.headers()["x-stamp"].to_str().unwrap()
        ),
        (StatusCode::CREATED, "inside")
    );
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "computed"
    );
}
