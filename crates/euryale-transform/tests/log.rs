//! A transform that fails is logged once for a page, with its name and its causes. Alone in its
//! program: see `Log`.

use std::convert::Infallible;

use euryale_core::error::UNAVAILABLE;
use euryale_core::{Body, BoxError, Error, Response};
use euryale_test::Log;
use euryale_transform::{Handlers, Page, Rewrite, Transform, TransformChainLayer};
use http::HeaderValue;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

struct Failing;

impl Transform for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn order(&self) -> i32 {
        1
    }
}

impl Rewrite for Failing {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&"p".parse()?, |_| {
            Err(Error::with_source(UNAVAILABLE, "the cause").into())
        });
        Ok(())
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_for_a_page() {
    let log = Log::of_process();
    let service = TransformChainLayer::new()
        .rewrite(Failing)
        .layer(service_fn(async |_: http::Request<()>| {
            let mut response = Response::new(Body::from("<p><p><p>"));
            response
                .headers_mut()
                .insert("content-type", HeaderValue::from_static("text/html"));
            Ok::<_, Infallible>(response)
        }));
    for pages in 1..=2 {
        let response = service
            .clone()
            .oneshot(http::Request::new(()))
            .await
            .unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "<p><p><p>"
        );
        let lines = log.lines();
        assert_eq!(lines.len(), pages, "{lines:?}");
        let said = "a transform failed: the database is unavailable: the cause \
            transform=\"failing\" critical=false";
        assert!(
            lines[0].contains("ERROR") && lines[0].contains(said),
            "{lines:?}"
        );
    }
}
