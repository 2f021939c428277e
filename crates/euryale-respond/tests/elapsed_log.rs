//! A publication that was stopped is not a failure of the application. In a program of its own: the
//! subscriber is the process's.

use euryale_core::error::PUBLISH_ELAPSED;
use euryale_core::{Error, Request, Response};
use euryale_respond::RespondLayer;
use euryale_test::Log;
use http::StatusCode;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test]
async fn a_deadline_logs_no_error() {
    let log = Log::of_process();
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .service(service_fn(async |_: Request| {
            Err::<Response, _>(Error::new(PUBLISH_ELAPSED))
        }));
    let response = service.oneshot(Request::default()).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    drop(Response::from(Error::new(PUBLISH_ELAPSED)));
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with("WARN")),
        "{lines:?}"
    );
}
