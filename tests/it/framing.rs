//! Any response of a publisher parses as exactly one response.

use std::sync::{Arc, Mutex};

use euryale::{Body, Request, Response, Transaction};
use euryale_test::{CountingDatabase, RawClient};
use euryale_tests::Site;
use http::{HeaderName, HeaderValue, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

/// A response that a publisher may build, wrong in every way that the types allow.
#[derive(Clone, Debug)]
struct Script {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    unsized_body: bool,
}

fn script() -> impl Strategy<Value = Script> {
    let name = prop_oneof![
        Just("content-length"),
        Just("transfer-encoding"),
        Just("connection"),
        Just("upgrade"),
        Just("trailer"),
        Just("keep-alive"),
        Just("x-accel-redirect"),
        Just("x-page"),
    ];
    let value = prop_oneof![
        Just("3".to_owned()),
        Just("0".to_owned()),
        Just("99999".to_owned()),
        Just("chunked".to_owned()),
        Just("close".to_owned()),
        Just("gzip, chunked".to_owned()),
        "[ -~]{0,12}",
    ];
    let header = (name, value).prop_filter_map("a header value", |(name, value)| {
        Some((
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).ok()?,
        ))
    });
    (
        200..600_u16,
        vec(header, 0..4),
        "[a-z\r\n]{0,40}",
        any::<bool>(),
    )
        .prop_map(|(status, headers, body, unsized_body)| Script {
            status,
            headers,
            body,
            unsized_body,
        })
}

fn answer(script: &Script) -> Response {
    let body = if script.unsized_body {
        // Two frames, without an announced length.
        let (first, second) = script.body.split_at(script.body.len() / 2);
        let frames =
            [first.to_owned(), second.to_owned()].map(|part| Ok::<_, std::io::Error>(part.into()));
        Body::new(Unsized(frames.into_iter().collect()))
    } else {
        Body::from(script.body.clone())
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(script.status).unwrap();
    for (name, value) in &script.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

struct Unsized(std::collections::VecDeque<Result<axum::body::Bytes, std::io::Error>>);

impl axum::body::HttpBody for Unsized {
    type Data = axum::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(
            self.0
                .pop_front()
                .map(|part| part.map(http_body::Frame::data)),
        )
    }
}

#[test]
fn every_response_is_exactly_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let next = Arc::new(Mutex::new(None));
    let given = next.clone();
    let site = runtime.block_on(Site::start(
        1,
        move |request: &Request, _: &mut Transaction<'_, CountingDatabase>| {
            Ok(match &*given.lock().unwrap() {
                Some(script) if request.uri().path() == "/scripted" => answer(script),
                _ => Response::new(Body::from("the second")),
            })
        },
    ));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&script(), |script| {
            *next.lock().unwrap() = Some(script.clone());
            runtime.block_on(async {
                let mut client = RawClient::connect(site.address).await.unwrap();
                // Both are sent at once, so that the second response directly follows the first.
                client
                    .send(
                        "GET /scripted HTTP/1.1\r\nhost: test\r\n\r\nGET /second HTTP/1.1\r\n\
                        host: test\r\n\r\n",
                    )
                    .await
                    .unwrap();
                let first = client.read_answer(false).await.unwrap();
                assert_eq!(first.status.as_u16(), script.status);
                if ![204, 205, 304].contains(&script.status) {
                    assert_eq!(first.text(), script.body);
                }
                assert!(!first.headers.contains_key("x-accel-redirect"));
                assert_eq!(
                    client.read_answer(false).await.unwrap().text(),
                    "the second"
                );
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(site.end());
}
