//! What composing costs: `cargo bench -p euryale-tiles`.
//!
//! A page of 20 KiB with five tiles of 1 KiB that are there at once, beside the same page as it is.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a measurement, and not a library"
)]

use std::convert::Infallible;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use euryale_core::request::{Internal, InternalRequest};
use euryale_core::{Body, Error, Response};
use euryale_tiles::{HasTiles, Tiles};
use euryale_transform::TransformChainLayer;
use http::{Request, header};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

fn html(text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/html"),
    );
    response
}

fn page() -> String {
    let text = "<p class=\"text\">Some text, with a <a href=\"/link\">link</a> and a word.</p>\n"
        .repeat(55);
    let parts: String = (0..5)
        .map(|n| format!("{text}<div data-tile=\"/tile?{n}\"></div>"))
        .collect();
    format!("<!doctype html><html><head><title>Page</title></head><body>{parts}</body></html>")
}

fn tile() -> String {
    let text = "<li><a href=\"/news\">Some news</a></li>\n".repeat(25);
    format!(
        "<html><head><link rel=stylesheet href=news.css></head><body><ul>{text}</ul></body></html>"
    )
}

fn compose(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let page = page();
    let tile = tile();
    let inner = service_fn(move |request: Request<Body>| {
        let is_tile = InternalRequest::of(request.extensions()).is_some();
        let mut response = html(if is_tile { &tile } else { &page });
        if request.uri().path() == "/composed" {
            response.extensions_mut().insert(HasTiles);
        }
        async { Ok::<_, Infallible>(response) }
    });
    let internal = Internal::new(inner.clone().map_err(Error::from));
    let chain = TransformChainLayer::new()
        .compose_page(Tiles::new())
        .layer(inner);
    let mut group = criterion.benchmark_group("tiles");
    for (name, path) in [("the page as it is", "/plain"), ("five tiles", "/composed")] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let request = Request::get(path)
                        .extension(internal.clone())
                        .body(Body::empty())
                        .unwrap();
                    let response = chain.clone().oneshot(request).await.unwrap();
                    response.into_body().collect().await.unwrap().to_bytes()
                })
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .measurement_time(Duration::from_secs(4))
        .warm_up_time(Duration::from_secs(1));
    targets = compose
}
criterion_main!(benches);
