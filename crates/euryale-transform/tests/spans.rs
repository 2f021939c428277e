//! What each transform took of a page is in a span of its own, in that of the request. Alone in its
//! program: the subscriber is the process's.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use euryale_core::{Body, BoxError, Response};
use euryale_test::Log;
use euryale_transform::{
    EditHead, Handlers, Page, Rewrite, Transform, TransformChainLayer, TransformPage,
};
use http::{HeaderValue, response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tracing::Instrument;
use tracing_subscriber::fmt::format::FmtSpan;

struct Named(&'static str);

impl Transform for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn order(&self) -> i32 {
        1
    }
}

impl EditHead for Named {
    fn edit_head(&self, _page: &Page, _response: &mut response::Parts) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Rewrite for Named {
    fn rewrite(&self, _page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        handlers.element(&"p".parse()?, |_| {
            tracing::info!("from within");
            Ok(())
        });
        Ok(())
    }
}

impl TransformPage for Named {
    async fn transform(
        &self,
        _page: &Page,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(response)
    }
}

#[tokio::test(start_paused = true)]
async fn each_transform_has_a_span_with_its_time() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false);
    let writer = log.clone();
    subscriber
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .init();
    let chain = TransformChainLayer::new()
        .edit_head(Named("head"))
        .rewrite(Named("stream"))
        .transform_page(Named("whole"));
    let service = chain.layer(service_fn(|_: http::Request<()>| {
        let mut response = Response::new(Body::from("<p>"));
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("text/html"));
        ready(Ok::<_, Infallible>(response))
    }));
    let request = async {
        service
            .oneshot(http::Request::new(()))
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
    };
    request
        .instrument(tracing::info_span!("request", id = 7))
        .await
        .unwrap();
    let lines = log.lines();
    let closed = |name: &str| {
        let span = format!("request{{id=7}}:transform{{name=\"{name}\" ms=");
        let line = lines
            .iter()
            .find(|line| line.contains(&span) && line.contains("close"));
        let line = line.unwrap_or_else(|| panic!("{name} in {lines:?}"));
        line.split("ms=")
            .nth(1)
            .unwrap()
            .split('}')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert!(closed("head") < 20.0 && closed("stream") < 20.0);
    assert!(
        (20.0..21.0).contains(&closed("whole")),
        "{}",
        closed("whole")
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("transform{name=\"stream\"}") && line.contains("from within"))
    );
}
