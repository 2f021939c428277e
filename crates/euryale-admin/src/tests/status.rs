//! Tests of the status page, its events, and its list of the slowest requests.

use axum::routing::get;
use euryale_core::request::{Route, Stage, Times};
use euryale_server::{Readiness, Slowest};
use euryale_test::eventually;
use http::StatusCode;

use super::*;
use crate::{Held, StatusDetails};

async fn start(app: Router) -> Site {
    Site::start(Server::new(), app, |ledger, shutdown| {
        Admin::for_ledger(ledger.clone(), Readiness::new(shutdown)).status(|| {
            StatusDetails::new().held(Held::new(Duration::from_secs(90)).route("/orders/{id}"))
        })
    })
    .await
}

#[tokio::test]
async fn the_page_loads_nothing_from_other_sites() {
    let site = start(Router::new()).await;
    let mut peer = site.operator().await;
    let answer = peer.get("/status").await;
    let head = &answer.headers;
    assert_eq!(head["content-type"], "text/html; charset=utf-8");
    let policy = head["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';"),
        "{policy}"
    );
    assert_eq!(head["vary"], "accept");
    assert_eq!(head["x-content-type-options"], "nosniff");
    assert_eq!(head["cache-control"], "no-store");
    let page = answer.text();
    assert!(
        page.contains("/orders/{id}") && page.contains("<td>90 s</td>"),
        "{page}"
    );
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("style="),
        "{page}"
    );
    for (path, kind) in [
        ("css", "text/css"),
        ("js", "text/javascript"),
        ("json", "application/json"),
    ] {
        assert!(page.contains(&format!("=status.{path}")), "{page}");
        let answer = peer.get(&format!("/status.{path}")).await;
        let named = answer.headers["content-type"].to_str().unwrap();
        assert!(named.starts_with(kind), "{named}");
    }
    let answer = peer
        .ask("GET /status HTTP/1.1\r\nhost: a\r\naccept: application/json\r\n\r\n")
        .await;
    assert!(answer.text().contains("\"state\":\"ready\","));
    let answer = peer
        .ask("POST /status HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(answer.status, 405);
    peer.send("HEAD /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert_eq!(peer.head().await.1["content-type"], "text/event-stream");
    site.end().await;
}

#[tokio::test]
async fn events_end_when_the_drain_begins() {
    let gate = AsyncGate::new();
    let held = gate.clone();
    let app = Router::new().route("/", get(move || async move { held.pass().await }));
    let site = start(app).await;
    let mut busy = site.peer().await;
    busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    let mut peer = site.operator().await;
    peer.send("GET /status/events HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(peer.head().await.1["content-type"], "text/event-stream");
    site.shutdown.drain();
    // The request is still held.
    let events = String::from_utf8(peer.rest().await).unwrap();
    assert!(
        events.contains("event: drain\n")
            && events.contains("id=state class=\"state alarm\">draining"),
        "{events}"
    );
    assert!(events.ends_with("\r\n0\r\n\r\n"), "whole: {events}");
    let page = site.operator().await.get("/status").await.text();
    assert!(page.contains(">draining</p>"), "{page}");
    gate.let_through(1);
    assert_eq!(busy.answer().await.status, 200);
    assert!(site.end().await.is_complete());
}

/// A viewer does not delay the shutdown.
#[tokio::test]
async fn a_viewer_that_does_not_read_is_closed() {
    let site = start(Router::new()).await;
    let mut peer = site.operator().await;
    peer.send("GET /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    peer.head().await;
    assert!(site.end().await.is_complete());
}

/// The times from the layers are shown beside those from the server.
#[tokio::test]
async fn the_slowest_are_listed_with_their_stages() {
    let gate = AsyncGate::new();
    let held = gate.clone();
    let app = Router::new()
        .route("/gone", get(move || async move { held.pass().await }))
        .fallback(async |request: axum::extract::Request| {
            let times = request.extensions().get::<Times>().unwrap();
            times.belongs_to(&Route::new("/<orders>"));
            times.spent(Stage::Queued, Duration::from_secs(2));
            StatusCode::BAD_GATEWAY
        });
    let slowest = Slowest::new();
    let server = Server::new().slowest(&slowest);
    let site = Site::start(server, app, |ledger, shutdown| {
        let admin = Admin::for_ledger(ledger.clone(), Readiness::new(shutdown)).slowest(&slowest);
        // The order of the settings does not matter.
        admin.status(StatusDetails::new)
    })
    .await;
    let mut peer = site.peer().await;
    peer.get("/orders/secret").await;
    let mut gone = site.peer().await;
    // A route without POST.
    let refused = gone
        .ask("POST /gone HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(refused.status, 405);
    gone.send("GET /gone HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    drop(gone);
    let sockets = &site.ledger.of::<ServerBook>().sockets;
    eventually("its client is gone", || sockets.open.get() == 1).await;
    let mut admin = site.operator().await;
    let json = admin.get("/status.json").await.body;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let list = json["slowest"].as_array().unwrap();
    assert_eq!(list.len(), 3, "{json}");
    let of = |method: &str, status: serde_json::Value| {
        list.iter()
            .find(|entry| entry["method"] == method && entry["status"] == status)
            .unwrap()
    };
    let order = of("GET", 502.into());
    assert_eq!(
        (&order["route"], &order["stage_seconds"]["queued"]),
        (&"/<orders>".into(), &2.0.into())
    );
    assert_eq!(
        order["stage_seconds"]["elsewhere"], 0.0,
        "never less than nothing"
    );
    assert_eq!(
        of("GET", serde_json::Value::Null)["route"],
        serde_json::Value::Null
    );
    of("POST", 405.into());
    let page = admin.get("/status").await.text();
    assert!(
        page.contains("/&lt;orders&gt;</td><td class=alarm>502</td>"),
        "{page}"
    );
    assert!(
        page.contains("<td class=alarm>gone</td>") && !page.contains("secret"),
        "{page}"
    );
    site.end().await;
}

#[tokio::test]
async fn without_a_list_no_slowest_requests_are_recorded() {
    let app = Router::new().fallback(async |request: axum::extract::Request| {
        request.extensions().get::<Times>().is_none().to_string()
    });
    let site = start(app).await;
    assert_eq!(site.peer().await.get("/").await.text(), "true");
    let mut admin = site.operator().await;
    let page = admin.get("/status").await.text();
    assert!(!page.contains("Slowest"), "{page}");
    let json = admin.get("/status.json").await.text();
    assert!(!json.contains("slowest"), "{json}");
    site.end().await;
}
