//! Tests of the layer in other stacks.

use std::convert::Infallible;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use euryale_core::{Blob, Body, Ledger};
use euryale_test::{RawClient, assert_quiet};
use http::Request;
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;

use super::{blob_of, content, file_of, layer};
use crate::{BlobBook, ServeBlobLayer};

async fn served(app: Router) -> RawClient {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    RawClient::connect(address).await.unwrap()
}

/// A router whose handler answers with a blob of this length, with a handle as `Publish` sets it.
fn router(len: usize) -> Router {
    Router::new().route(
        "/file",
        get(async move || {
            let mut response = euryale_core::Response::new(Body::from(blob_of(&content(len))));
            response
                .headers_mut()
                .insert("content-type", "text/plain".parse().unwrap());
            Body::publish_handle(&mut response, &Ledger::new());
            response
        }),
    )
}

#[tokio::test]
async fn the_layer_works_outside_other_middleware_in_a_router() {
    let (serve, ledger) = layer();
    let pass = async |request: axum::extract::Request, next: axum::middleware::Next| {
        next.run(request).await
    };
    let app = router(100_000)
        .layer(TraceLayer::new_for_http())
        .layer(from_fn(pass))
        .layer(serve);
    let all = content(100_000);
    let mut client = served(app).await;
    let whole = client.get("/file").await.unwrap();
    assert!(whole.status == 200 && whole.body == all);
    let etag = whole.headers["etag"].to_str().unwrap().to_owned();
    for (fields, status, bytes) in [
        ("range: bytes=0-99", 206, &all[..100]),
        ("range: bytes=-7", 206, &all[99_993..]),
        ("range: bytes=100000-", 416, &[]),
        (&format!("if-none-match: {etag}"), 304, &[]),
        ("if-match: \"another\"", 412, &[]),
        (
            &format!("range: bytes=5-6\r\nif-range: {etag}"),
            206,
            &all[5..7],
        ),
    ] {
        // All requests use one connection, so each answer must end where its head says.
        client
            .send(format!(
                "GET /file HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\n"
            ))
            .await
            .unwrap();
        let answer = client.read_answer(false).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (status, bytes),
            "{fields}"
        );
    }
    client
        .send("HEAD /file HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    let head = client.read_answer(true).await.unwrap();
    assert_eq!(
        (
            head.status.as_u16(),
            head.headers["content-length"].to_str().unwrap()
        ),
        (200, "100000")
    );
    assert_eq!(head.headers["etag"].to_str().unwrap(), etag);
    client
        .send("GET /file HTTP/1.1\r\nhost: test\r\nrange: bytes=0-1,9-9\r\n\r\n")
        .await
        .unwrap();
    let parts = client.read_answer(false).await.unwrap();
    assert!(
        parts.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("multipart/byteranges")
    );
    assert!(client.get("/file").await.unwrap().body == all);
    assert_quiet(&ledger).await;
}

/// The layer is around a whole Router, which removes the body of an answer to HEAD.
#[tokio::test]
async fn the_layer_works_around_a_router() {
    let (serve, ledger) = layer();
    let service = ServiceBuilder::new().layer(serve).service(router(1000));
    let request = || {
        Request::head("/file")
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let response = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(response.headers()["content-length"], "1000");
    assert!(response.headers().contains_key("etag"));
    let request = Request::get("/file")
        .header("range", "bytes=1-3")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 206);
    assert!(
        !response.headers().contains_key("content-length"),
        "not that of the whole"
    );
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        content(1000)[1..4]
    );
    assert_quiet(&ledger).await;
}

fn text() -> Vec<u8> {
    b"easy to compress ".repeat(5000)
}

/// A blob that an inner layer compressed is no longer a blob.
#[tokio::test]
async fn a_blob_that_was_compressed_inside_has_no_ranges() {
    let (serve, ledger) = layer();
    let blob = service_fn(async |_: Request<()>| {
        let mut response = euryale_core::Response::new(Body::from(blob_of(&text())));
        response
            .headers_mut()
            .insert("content-type", "text/plain".parse().unwrap());
        Body::publish_handle(&mut response, &Ledger::new());
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new()
        .layer(serve)
        .layer(CompressionLayer::new())
        .service(blob);
    let request = Request::get("/")
        .header("accept-encoding", "gzip")
        .header("range", "bytes=0-9");
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["content-encoding"]
        ),
        (200, &"gzip".parse().unwrap())
    );
    assert!(
        !response.headers().contains_key("etag")
            && !response.headers().contains_key("accept-ranges")
    );
    let sent = response.into_body().collect().await.unwrap().to_bytes();
    assert!(sent.starts_with(&[0x1f, 0x8b]) && sent.len() < 10_000);
    assert_quiet(&ledger).await;
}

/// Compression outside the layer changes whole answers, but not parts.
#[tokio::test]
async fn compression_outside_does_not_change_parts() {
    let ledger = Ledger::new();
    let file = std::sync::Arc::new(file_of(&text()));
    let blob = service_fn(move |_: Request<()>| {
        let mut response =
            euryale_core::Response::new(Body::from(Blob::new(file.try_clone().unwrap()).unwrap()));
        response
            .headers_mut()
            .insert("content-type", "text/plain".parse().unwrap());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let serve = ServeBlobLayer::new().ledger(ledger.clone());
    let service = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(serve)
        .service(blob);
    let ask = |range: &'static str| {
        let request = Request::get("/")
            .header("accept-encoding", "gzip")
            .header("range", range);
        service.clone().oneshot(request.body(()).unwrap())
    };
    let part = ask("bytes=0-9999").await.unwrap();
    assert!(part.status() == 206 && !part.headers().contains_key("content-encoding"));
    assert_eq!(
        part.into_body().collect().await.unwrap().to_bytes(),
        text()[..10_000]
    );
    let whole = ask("lines=1-2").await.unwrap();
    assert_eq!(
        (
            whole.status().as_u16(),
            &whole.headers()["content-encoding"]
        ),
        (200, &"gzip".parse().unwrap())
    );
    assert!(whole.into_body().collect().await.unwrap().to_bytes().len() < 10_000);
    assert_quiet(&ledger).await;
}

/// The connection breaks off, so that the client does not take the part for the whole file.
#[tokio::test]
async fn a_truncated_file_breaks_the_connection() {
    let (serve, ledger) = layer();
    let file = std::sync::Arc::new(file_of(b""));
    // The file is larger than all socket buffers together.
    file.set_len(200 << 20).unwrap();
    let blob = service_fn({
        let file = file.clone();
        move |_: axum::extract::Request| {
            let blob = Blob::new(file.try_clone().unwrap()).unwrap();
            let response = euryale_core::Response::new(Body::from(blob));
            std::future::ready(Ok::<_, Infallible>(response))
        }
    });
    let service = ServiceBuilder::new().layer(serve).service(blob);
    let mut client = served(Router::new().route_service("/file", service)).await;
    client
        .send("GET /file HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    euryale_test::eventually("it is under way", || {
        ledger.of::<BlobBook>().read_bytes.get() > 0
    })
    .await;
    file.set_len(1000).unwrap();
    let error = client.read_answer(false).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_quiet(&ledger).await;
}

/// The clients disconnect in the middle of a body.
#[tokio::test]
async fn disconnected_clients_leave_nothing() {
    let (serve, ledger) = layer();
    let file = std::sync::Arc::new(file_of(b""));
    file.set_len(200 << 20).unwrap();
    let blob = service_fn(move |_: axum::extract::Request| {
        let blob = Blob::new(file.try_clone().unwrap()).unwrap();
        std::future::ready(Ok::<_, Infallible>(euryale_core::Response::new(
            Body::from(blob),
        )))
    });
    let app =
        Router::new().route_service("/file", ServiceBuilder::new().layer(serve).service(blob));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for _ in 0..10 {
        let mut client = RawClient::connect(address).await.unwrap();
        client
            .send("GET /file HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        let before = ledger.of::<BlobBook>().read_bytes.get();
        euryale_test::eventually("bytes are sent", || {
            ledger.of::<BlobBook>().read_bytes.get() > before
        })
        .await;
        drop(client);
    }
    assert_quiet(&ledger).await;
}
