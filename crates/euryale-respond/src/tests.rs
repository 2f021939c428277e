use euryale_connection::{QUEUE_ELAPSED, QUEUE_FULL};
use euryale_core::error::{
    APPLICATION, BODY_STALLED, CLIENT_GONE, CLOSED, CONFLICT, Class, Code, ELAPSED, IN_DOUBT,
    LANE_FULL, Level, NO_DESCRIPTOR, NO_WORKER, PANICKED, PUBLISH_ELAPSED, REFUSED, STORAGE_FULL,
    SUSPENDED, UNAVAILABLE, WOULD_DEADLOCK,
};
use euryale_core::{Body, Error, Response};
use euryale_deferred::DEFERRED_FAILED;
use euryale_promise::{PASS_LIMIT, PROMISE_LIMIT, SUSPENDED_FULL};
use euryale_publisher::CONFLICTS_EXHAUSTED;
use euryale_spool::{BODY_TOO_LARGE, MALFORMED, SPOOL_BUSY, SPOOL_FULL, SPOOL_UNAVAILABLE};
use euryale_test::subscribe_thread;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::RespondLayer;

const CODES: [(Code, u16); 28] = [
    (NO_WORKER, 503),
    (SPOOL_UNAVAILABLE, 503),
    (QUEUE_FULL, 503),
    (QUEUE_ELAPSED, 503),
    (CLOSED, 503),
    (UNAVAILABLE, 503),
    (CONFLICT, 503),
    (CONFLICTS_EXHAUSTED, 503),
    (LANE_FULL, 503),
    (PUBLISH_ELAPSED, 504),
    (ELAPSED, 504),
    (PANICKED, 500),
    (IN_DOUBT, 500),
    (CLIENT_GONE, 500),
    (SUSPENDED, 500),
    (REFUSED, 500),
    (WOULD_DEADLOCK, 500),
    (APPLICATION, 500),
    (DEFERRED_FAILED, 502),
    (BODY_TOO_LARGE, 413),
    (BODY_STALLED, 408),
    (SPOOL_FULL, 507),
    (STORAGE_FULL, 507),
    (PASS_LIMIT, 508),
    (PROMISE_LIMIT, 508),
    (SUSPENDED_FULL, 503),
    (SPOOL_BUSY, 503),
    (MALFORMED, 400),
];

async fn answer(layer: RespondLayer, accept: &str, result: Result<Response, Error>) -> Response {
    let result = std::sync::Mutex::new(Some(result));
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(move |_: Request<()>| {
            std::future::ready(result.lock().unwrap().take().unwrap())
        }));
    service
        .oneshot(
            Request::get("/page")
                .header(ACCEPT, accept)
                .body(())
                .unwrap(),
        )
        .await
        .unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test]
async fn each_code_has_its_status_and_reveals_no_internals() {
    for (code, status) in CODES {
        let error = Error::with_source(code, "secret: table users is locked");
        let response = answer(RespondLayer::new(), "*/*", Err(error)).await;
        assert_eq!(response.status(), status, "{code:?}");
        assert_eq!(
            response.headers().contains_key(RETRY_AFTER),
            status == 503,
            "{code:?}"
        );
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.extensions().get::<Code>(), Some(&code));
        let text = text(response).await;
        assert!(
            text.contains(&format!("\"status\":{status}")) && !text.contains("secret"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_request_that_may_have_taken_effect_gets_no_retry_after() {
    for (method, is_over, again) in [
        ("GET", false, true),
        ("GET", true, true),
        ("POST", false, true),
        ("POST", true, false),
    ] {
        let service = ServiceBuilder::new()
            .layer(RespondLayer::new())
            .service(service_fn(move |_: Request<()>| {
                let error = Error::new(LANE_FULL);
                let error = if is_over {
                    error.after_transaction()
                } else {
                    error
                };
                std::future::ready(Err::<Response, _>(error))
            }));
        let request = Request::builder().method(method).body(()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(
            response.headers().contains_key(RETRY_AFTER),
            again,
            "{method} {is_over}"
        );
        let text = text(response).await;
        assert_eq!(text.contains("Try again"), again, "{text}");
        assert_eq!(text.contains("may be done"), !again, "{text}");
    }
}

#[tokio::test]
async fn the_text_of_an_error_is_sent() {
    let error =
        || Error::with_source(BODY_TOO_LARGE, "secret").telling("At most 3 of <b>, \"c\" & \\\n.");
    let json = text(answer(RespondLayer::new(), "*/*", Err(error())).await).await;
    assert!(
        json.contains(r#""detail":"At most 3 of <b>, \"c\" & \\\n.""#),
        "{json}"
    );
    let html = text(answer(RespondLayer::new(), "text/html", Err(error())).await).await;
    assert!(
        html.contains("<p>At most 3 of &lt;b&gt;, \"c\" &amp; \\\n.</p>"),
        "{html}"
    );
    assert!(!json.contains("secret") && !html.contains("secret"));
}

#[tokio::test]
async fn browsers_get_a_page() {
    for (accept, html) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", true),
        ("application/json, Text/HTML;q=0.5", true),
        ("text/html;q=0, application/json", false),
        ("application/json", false),
        ("*/*", false),
    ] {
        let response = answer(RespondLayer::new(), accept, Err(Error::new(QUEUE_FULL))).await;
        let is_html = response.headers()[CONTENT_TYPE] == "text/html; charset=utf-8";
        assert_eq!(is_html, html, "{accept}");
        assert_eq!(
            text(response)
                .await
                .contains("<h1>Service Unavailable</h1>"),
            html
        );
    }
}

/// Transforms find both elements by their tags, which the parser does not add.
#[tokio::test]
async fn the_default_page_has_a_head_and_a_body() {
    let response = answer(
        RespondLayer::new(),
        "text/html",
        Err(Error::new(QUEUE_FULL)),
    )
    .await;
    let page = text(response).await;
    let head = page.split_once("<head>").unwrap().1;
    let (head, body) = head.split_once("</head>").unwrap();
    assert!(head.contains("<title>503 Service Unavailable</title>"));
    let body = body.split_once("<body>").unwrap().1;
    let (body, end) = body.split_once("</body>").unwrap();
    assert!(body.contains("<h1>Service Unavailable</h1>") && body.contains("<p>The server is"));
    assert_eq!(end, "\n</html>\n");
}

#[tokio::test]
async fn a_custom_page_keeps_the_status() {
    let layer = RespondLayer::new().page(|problem| {
        Response::new(Body::from(format!(
            "{} {}",
            problem.uri.path(),
            problem.detail()
        )))
    });
    let json = answer(layer.clone(), "*/*", Err(Error::new(CONFLICTS_EXHAUSTED))).await;
    assert_eq!(
        json.headers()[CONTENT_TYPE],
        "application/problem+json",
        "for who wants no HTML"
    );
    let response = answer(layer, "text/html", Err(Error::new(CONFLICTS_EXHAUSTED))).await;
    assert_eq!(
        (response.status(), &response.headers()[RETRY_AFTER]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert!(text(response).await.starts_with("/page The server is busy"));
}

#[tokio::test]
async fn a_refusal_with_a_response_sends_that_response() {
    let mut teapot = Response::new(Body::from("short and stout"));
    *teapot.status_mut() = StatusCode::IM_A_TEAPOT;
    let response = answer(RespondLayer::new(), "*/*", Err(Error::refused(teapot))).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(text(response).await, "short and stout");
}

#[tokio::test]
async fn an_answer_is_passed_on_with_its_body() {
    let response = answer(
        RespondLayer::new(),
        "*/*",
        Ok(Response::new(Body::from("fine"))),
    )
    .await;
    assert_eq!(
        (response.status(), text(response).await),
        (StatusCode::OK, "fine".to_owned())
    );
}

/// A service that is never ready.
#[derive(Clone)]
struct Broken;

impl tower::Service<Request<()>> for Broken {
    type Response = Response;
    type Error = Error;
    type Future = std::future::Ready<Result<Response, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(Err(Error::new(CLOSED)))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("called although it was not ready")
    }
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_not_called() {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .service(Broken);
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// Only a stopped publication is certain not to have been committed.
#[tokio::test]
async fn a_time_out_says_whether_anything_was_done() {
    let told = async |code: Code| {
        let response = answer(RespondLayer::new(), "*/*", Err(Error::new(code))).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        text(response).await
    };
    let stopped = told(PUBLISH_ELAPSED).await;
    assert!(stopped.contains("Nothing of it was done."), "{stopped}");
    let other = told(ELAPSED).await;
    assert!(
        other.contains("may be done") && !other.contains("Nothing"),
        "{other}"
    );
}

/// Records the levels of the logged events.
#[derive(Clone, Default)]
struct Levels(std::sync::Arc<std::sync::Mutex<Vec<tracing::Level>>>);

impl tracing::Subscriber for Levels {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target().starts_with("euryale") {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn overload_is_logged_once_a_second_and_not_as_an_error() {
    for code in [
        QUEUE_FULL,
        QUEUE_ELAPSED,
        SUSPENDED_FULL,
        SPOOL_BUSY,
        NO_DESCRIPTOR,
        LANE_FULL,
    ] {
        let levels = Levels::default();
        let log = subscribe_thread(levels.clone());
        let layer = RespondLayer::new();
        for _ in 0..5 {
            answer(layer.clone(), "*/*", Err(Error::new(code))).await;
        }
        drop(log);
        let levels = levels.0.lock().unwrap();
        // There are two lines if a second boundary was crossed.
        assert!(
            (1..=2).contains(&levels.len())
                && levels.iter().all(|level| *level == tracing::Level::WARN),
            "{code:?}: {levels:?}"
        );
    }
}

/// Returns the levels of the lines that are logged for an error with this code.
async fn logged(code: Code) -> Vec<tracing::Level> {
    let levels = Levels::default();
    let log = subscribe_thread(levels.clone());
    answer(RespondLayer::new(), "*/*", Err(Error::new(code))).await;
    drop(log);
    let levels = levels.0.lock().unwrap();
    levels.clone()
}

#[tokio::test]
async fn each_code_has_its_level() {
    let of_clients = [BODY_TOO_LARGE, BODY_STALLED, MALFORMED, CLIENT_GONE, CLOSED];
    let of_limits = [
        QUEUE_FULL,
        QUEUE_ELAPSED,
        SUSPENDED_FULL,
        SPOOL_BUSY,
        LANE_FULL,
        PUBLISH_ELAPSED,
    ];
    for (code, _) in CODES {
        let level = if of_clients.contains(&code) {
            tracing::Level::INFO
        } else if of_limits.contains(&code) {
            tracing::Level::WARN
        } else {
            tracing::Level::ERROR
        };
        assert_eq!(logged(code).await, [level], "{code:?}");
    }
}

#[tokio::test]
async fn a_code_of_another_crate_determines_its_answer_and_log_level() {
    let refused = Code::new(
        Class::Upstream,
        "mail.refused",
        "the mail server refused a mail",
    );
    assert_eq!(logged(refused).await, [tracing::Level::ERROR]);
    let refused = refused.telling("Your mail could not be sent.");
    for (level, line) in [
        (Level::Overload, tracing::Level::WARN),
        (Level::Info, tracing::Level::INFO),
        (Level::Warn, tracing::Level::WARN),
        (Level::Error, tracing::Level::ERROR),
    ] {
        let code = refused.logged_at(level);
        assert_eq!(logged(code).await, [line], "{level:?}");
        let response = answer(RespondLayer::new(), "*/*", Err(Error::new(code))).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let text = text(response).await;
        assert!(
            text.contains(r#""detail":"Your mail could not be sent.""#),
            "{text}"
        );
    }
}
