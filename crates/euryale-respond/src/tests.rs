use euryale_core::{Body, Error, ErrorKind, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::RespondLayer;

const KINDS: [(ErrorKind, u16); 28] = [
    (ErrorKind::NoWorker, 503),
    (ErrorKind::SpoolUnavailable, 503),
    (ErrorKind::QueueFull, 503),
    (ErrorKind::QueueElapsed, 503),
    (ErrorKind::Closed, 503),
    (ErrorKind::Unavailable, 503),
    (ErrorKind::Conflict, 503),
    (ErrorKind::ConflictsExhausted, 503),
    (ErrorKind::LaneFull, 503),
    (ErrorKind::PublishElapsed, 504),
    (ErrorKind::Elapsed, 504),
    (ErrorKind::Panicked, 500),
    (ErrorKind::InDoubt, 500),
    (ErrorKind::ClientGone, 500),
    (ErrorKind::Suspended, 500),
    (ErrorKind::Refused, 500),
    (ErrorKind::WouldDeadlock, 500),
    (ErrorKind::Application, 500),
    (ErrorKind::DeferredFailed, 502),
    (ErrorKind::BodyTooLarge, 413),
    (ErrorKind::BodyStalled, 408),
    (ErrorKind::SpoolFull, 507),
    (ErrorKind::StorageFull, 507),
    (ErrorKind::PassLimit, 508),
    (ErrorKind::PromiseLimit, 508),
    (ErrorKind::SuspendedFull, 503),
    (ErrorKind::SpoolBusy, 503),
    (ErrorKind::Malformed, 400),
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
async fn each_kind_has_its_status_and_says_nothing_of_the_inside() {
    for (kind, status) in KINDS {
        let error = Error::with_source(kind, "secret: table users is locked");
        let response = answer(RespondLayer::new(), "*/*", Err(error)).await;
        assert_eq!(response.status(), status, "{kind:?}");
        assert_eq!(
            response.headers().contains_key(RETRY_AFTER),
            status == 503,
            "{kind:?}"
        );
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.extensions().get::<ErrorKind>(), Some(&kind));
        let text = text(response).await;
        assert!(
            text.contains(&format!("\"status\":{status}")) && !text.contains("secret"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_may_be_done_already_is_not_asked_for_again() {
    for (method, is_over, again) in [
        ("GET", false, true),
        ("GET", true, true),
        ("POST", false, true),
        ("POST", true, false),
    ] {
        let service = ServiceBuilder::new()
            .layer(RespondLayer::new())
            .service(service_fn(move |_: Request<()>| {
                let error = Error::new(ErrorKind::LaneFull);
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
async fn what_an_error_tells_is_told() {
    let error = || {
        Error::with_source(ErrorKind::BodyTooLarge, "secret")
            .telling("At most 3 of <b>, \"c\" & \\\n.")
    };
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
        let response = answer(
            RespondLayer::new(),
            accept,
            Err(Error::new(ErrorKind::QueueFull)),
        )
        .await;
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

#[tokio::test]
async fn a_page_of_ones_own_keeps_the_status() {
    let layer = RespondLayer::new().page(|problem| {
        Response::new(Body::from(format!(
            "{} {}",
            problem.uri.path(),
            problem.detail()
        )))
    });
    let json = answer(
        layer.clone(),
        "*/*",
        Err(Error::new(ErrorKind::ConflictsExhausted)),
    )
    .await;
    assert_eq!(
        json.headers()[CONTENT_TYPE],
        "application/problem+json",
        "for who wants no HTML"
    );
    let response = answer(
        layer,
        "text/html",
        Err(Error::new(ErrorKind::ConflictsExhausted)),
    )
    .await;
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
async fn an_answer_passes_and_so_does_its_body() {
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
        std::task::Poll::Ready(Err(Error::new(ErrorKind::Closed)))
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

/// Only a publication that was stopped is known not to have been committed.
#[tokio::test]
async fn a_time_out_says_whether_anything_was_done() {
    let told = async |kind: ErrorKind| {
        let response = answer(RespondLayer::new(), "*/*", Err(Error::new(kind))).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        text(response).await
    };
    let stopped = told(ErrorKind::PublishElapsed).await;
    assert!(stopped.contains("Nothing of it was done."), "{stopped}");
    let other = told(ErrorKind::Elapsed).await;
    assert!(
        other.contains("may be done") && !other.contains("Nothing"),
        "{other}"
    );
}

/// The levels of what is logged.
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
async fn overload_is_one_line_a_second_and_no_error() {
    for kind in [
        ErrorKind::QueueFull,
        ErrorKind::QueueElapsed,
        ErrorKind::SuspendedFull,
        ErrorKind::SpoolBusy,
        ErrorKind::NoDescriptor,
        ErrorKind::LaneFull,
    ] {
        let levels = Levels::default();
        let log = tracing::subscriber::set_default(levels.clone());
        let layer = RespondLayer::new();
        for _ in 0..5 {
            answer(layer.clone(), "*/*", Err(Error::new(kind))).await;
        }
        drop(log);
        let levels = levels.0.lock().unwrap();
        // Two, if the clock passed from one second to the next.
        assert!(
            (1..=2).contains(&levels.len())
                && levels.iter().all(|level| *level == tracing::Level::WARN),
            "{kind:?}: {levels:?}"
        );
    }
}
