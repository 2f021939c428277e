//! What the layer costs a response that it lets pass, and a page of 60 KiB that it rewrites.

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use euryale_core::{Body, BoxError, Response};
use euryale_test::bench_main;
use euryale_transform::html_content::ContentType;
use euryale_transform::{
    Handlers, Page, Rewrite, Selector, Transform, TransformChainLayer, TransformPage,
};
use http::HeaderValue;
use http_body_util::BodyExt;
use tower::{Service, service_fn};
use tower_layer::Layer;

/// Appends a mark to each heading.
struct Mark(&'static str, Selector);

/// Returns the page unchanged.
struct Same;

impl Transform for Mark {
    fn name(&self) -> &str {
        self.0
    }

    fn order(&self) -> i32 {
        1
    }
}

impl Rewrite for Mark {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&self.1, |heading| {
            heading.append("¶", ContentType::Text);
            Ok(())
        });
        Ok(())
    }
}

impl Transform for Same {
    fn name(&self) -> &str {
        "same"
    }

    fn order(&self) -> i32 {
        2
    }
}

impl TransformPage for Same {
    async fn transform(
        &self,
        _page: &Page,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        Ok(response)
    }
}

fn marks(names: &[&'static str]) -> TransformChainLayer {
    let mark = |chain: TransformChainLayer, name: &&'static str| {
        chain.rewrite(Mark(name, "h2".parse().expect("a selector")))
    };
    names.iter().fold(TransformChainLayer::new(), mark)
}

fn chain(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let part =
        "<h2>heading</h2><p class=\"text\">some text with a <a href=\"/\">link</a> in it</p>\n";
    let page = Bytes::from(part.repeat(60 * 1024 / part.len()));
    let mut group = criterion.benchmark_group("chain");
    for (name, layer, content_type) in [
        (
            "passes by",
            marks(&["a", "b", "c", "d"]),
            "application/json",
        ),
        ("1 rewrite of 60 KiB", marks(&["a"]), "text/html"),
        (
            "4 rewrites of 60 KiB",
            marks(&["a", "b", "c", "d"]),
            "text/html",
        ),
        (
            "a whole page of 60 KiB",
            TransformChainLayer::new().transform_page(Same),
            "text/html",
        ),
    ] {
        let page = page.clone();
        let inner = service_fn(move |_: http::Request<()>| {
            let mut response = Response::new(Body::from(page.clone()));
            response
                .headers_mut()
                .insert("content-type", HeaderValue::from_static(content_type));
            ready(Ok::<_, Infallible>(response))
        });
        let mut service = layer.budget(Duration::from_secs(100)).layer(inner);
        if content_type == "text/html" {
            group.throughput(Throughput::Bytes(60 * 1024));
        }
        group.bench_function(name, |bencher| {
            let request = || {
                let request = http::Request::builder()
                    .header("accept", "text/html")
                    .header("host", "test");
                request.body(()).expect("a request")
            };
            let mut ask = |request| {
                let response = runtime.block_on(service.call(request)).expect("infallible");
                black_box(
                    runtime
                        .block_on(response.into_body().collect())
                        .expect("a body")
                        .to_bytes(),
                )
            };
            bencher.iter_batched(request, &mut ask, BatchSize::SmallInput);
        });
    }
}

bench_main!(chain);
