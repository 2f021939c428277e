//! Tests of errors in bodies that a `Router` has wrapped before the spool reads them.

use axum::Router;
use euryale_core::error::BODY_STALLED;
use euryale_respond::RespondLayer;
use http::StatusCode;

use super::*;

/// Returns the status for a body of this type that the server gives up after its first bytes.
async fn answer_to_stalled(content_type: &str, first: &'static str) -> StatusCode {
    let ledger = Ledger::new();
    let spool = SpoolLayer::new().ledger(ledger.clone());
    #[cfg(feature = "forms")]
    let spool = spool.forms(crate::FormLimits::new());
    let spooled = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(spool)
        .service(service_fn(async |_: Request| {
            Ok::<_, Error>(euryale_core::Response::<euryale_core::Body>::default())
        }));
    let (mut sender, body) = Channel::<Bytes, Error>::new(1);
    sender.send_data(Bytes::from(first)).await.unwrap();
    sender.abort(Error::new(BODY_STALLED));
    let request = http::Request::post("/")
        .header("content-type", content_type)
        .body(body)
        .unwrap();
    let site = Router::new().fallback_service(spooled);
    let status = site.oneshot(request).await.unwrap().status();
    assert_quiet(&ledger).await;
    status
}

#[tokio::test]
async fn stalled_body_is_answered_408_behind_a_router() {
    for (content_type, first) in [
        ("application/octet-stream", "abc"),
        ("application/x-www-form-urlencoded", "a=b"),
        (
            "multipart/form-data; boundary=X",
            "--X\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nabc",
        ),
    ] {
        let status = answer_to_stalled(content_type, first).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{content_type}");
    }
}
