use std::time::Duration;

use bytes::Bytes;
use euryale_core::{Error, ErrorKind, Ledger, Request};
use euryale_test::assert_quiet;
use http_body_util::{Channel, Full};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::SpoolLayer;

/// A stack that answers with the body it was given.
fn echo<B>(
    layer: SpoolLayer,
) -> impl Service<http::Request<B>, Response = Bytes, Error = Error, Future: Send>
where
    B: http_body::Body<Error: Into<euryale_core::BoxError>, Data: Send> + Send + 'static,
{
    ServiceBuilder::new().layer(layer).service(service_fn(async |request: Request| {
        request.body().to_bytes().map_err(|error| Error::with_source(ErrorKind::Application, error))
    }))
}

#[tokio::test]
async fn a_body_in_many_frames_arrives_whole() {
    let ledger = Ledger::new();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let answer =
        tokio::spawn(echo(SpoolLayer::new().ledger(ledger.clone())).oneshot(http::Request::new(body)));
    for part in ["one ", "two ", "three"] {
        sender.send_data(Bytes::from(part)).await.unwrap();
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap(), "one two three");
    assert!(ledger.spool.bytes.peak() == 13, "the body was counted while it was kept");
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_before_reading() {
    let body = Full::new(Bytes::from("eleven byte"));
    let error = echo(SpoolLayer::new().limit(10)).oneshot(http::Request::new(body)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn a_body_that_grows_over_the_limit_is_refused() {
    let (mut sender, body) = Channel::<Bytes>::new(4);
    for _ in 0..2 {
        sender.send_data(Bytes::from("123456")).await.unwrap();
    }
    let error = echo(SpoolLayer::new().limit(10)).oneshot(http::Request::new(body)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let body = Full::new(Bytes::from("ten bytes!"));
    assert!(echo(SpoolLayer::new().limit(10)).oneshot(http::Request::new(body)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_given_up() {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let layer = SpoolLayer::new().stall(Duration::from_secs(5));
    let answer = tokio::spawn(echo(layer).oneshot(http::Request::new(body)));
    let began = tokio::time::Instant::now();
    sender.send_data(Bytes::from("a")).await.unwrap();
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyStalled);
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let (sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    sender.abort(std::io::ErrorKind::ConnectionReset.into());
    let error = echo(SpoolLayer::new()).oneshot(http::Request::new(body)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn who_is_not_admitted_is_not_read() {
    let layer = SpoolLayer::new().admit(|_: &http::request::Parts| Err(Error::new(ErrorKind::QueueFull)));
    // Nothing is ever sent: reading it would wait.
    let (_sender, body) = Channel::<Bytes>::new(1);
    let error = echo(layer).oneshot(http::Request::new(body)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueueFull);
}
