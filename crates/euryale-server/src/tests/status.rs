use axum::Router;
use axum::routing::get;

use euryale_core::{Route, Stage, Times};
use http::StatusCode;

use super::*;
use crate::{Admin, Held, Readiness, ServerBook, Slowest, StatusDetails};

async fn start(app: Router) -> (Site, SocketAddr) {
    let (listener, address) = bind().await;
    let (admin_listener, at) = bind().await;
    let ledger = Ledger::new();
    let shutdown = Shutdown::new();
    let admin = Admin::for_ledger(ledger.clone(), Readiness::new(&shutdown)).status(|| {
        StatusDetails::new().held(Held::new(Duration::from_secs(90)).route("/orders/{id}"))
    });
    let server = Server::new()
        .listen(listener)
        .ledger(ledger.clone())
        .admin(admin_listener, admin);
    let serving = tokio::spawn(server.serve(app, shutdown.clone()));
    (
        Site {
            address,
            ledger,
            serving,
            shutdown,
        },
        at,
    )
}

#[tokio::test]
async fn it_is_a_page_that_loads_nothing_from_elsewhere() {
    let (site, admin) = start(Router::new()).await;
    let mut peer = Peer::new(admin).await;
    let (head, page) = peer.get("/status").await;
    assert!(
        head.contains("content-type: text/html; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(
        head.contains("content-security-policy: default-src 'none'; style-src 'self';"),
        "{head}"
    );
    assert!(
        head.contains("vary: accept\r\n") && head.contains("x-content-type-options: nosniff\r\n"),
        "{head}"
    );
    assert!(head.contains("cache-control: no-store\r\n"), "{head}");
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
        let (head, _) = peer.get(&format!("/status.{path}")).await;
        assert!(head.contains(&format!("content-type: {kind}")), "{head}");
    }
    peer.send("GET /status HTTP/1.1\r\nhost: a\r\naccept: application/json\r\n\r\n")
        .await;
    assert!(peer.response().await.1.contains("\"state\":\"ready\","));
    peer.send("POST /status HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(peer.response().await.0.starts_with("HTTP/1.1 405 "));
    peer.send("HEAD /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert!(
        peer.head()
            .await
            .contains("content-type: text/event-stream\r\n")
    );
    site.end().await;
}

#[tokio::test]
async fn its_events_end_when_the_drain_begins_and_not_with_it() {
    let gate = Gate::new();
    let held = gate.clone();
    let app = Router::new().route("/", get(move || async move { held.pass().await }));
    let (site, admin) = start(app).await;
    let mut busy = site.peer().await;
    busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    let mut peer = Peer::new(admin).await;
    peer.send("GET /status/events HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert!(
        peer.head()
            .await
            .contains("content-type: text/event-stream\r\n")
    );
    site.shutdown.drain();
    // The request is still held.
    let events = String::from_utf8(peer.rest().await).unwrap();
    assert!(
        events.contains("event: drain\n")
            && events.contains("id=state class=\"state alarm\">draining"),
        "{events}"
    );
    assert!(events.ends_with("\r\n0\r\n\r\n"), "whole: {events}");
    let (_, page) = Peer::new(admin).await.get("/status").await;
    assert!(page.contains(">draining</p>"), "{page}");
    gate.open();
    assert!(busy.head().await.starts_with("HTTP/1.1 200 "));
    assert!(site.end().await.is_complete());
}

/// Nobody who looks on holds up the end.
#[tokio::test]
async fn a_viewer_that_does_not_read_is_cut() {
    let (site, admin) = start(Router::new()).await;
    let mut peer = Peer::new(admin).await;
    peer.send("GET /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    peer.head().await;
    assert!(site.end().await.is_complete());
}

/// The times from the layers are beside those from the server.
#[tokio::test]
async fn the_slowest_are_listed_with_their_stages() {
    let gate = Gate::new();
    let held = gate.clone();
    let app = Router::new()
        .route("/gone", get(move || async move { held.pass().await }))
        .fallback(async |request: axum::extract::Request| {
            let times = request.extensions().get::<Times>().unwrap();
            times.belongs_to(&Route::new("/<orders>"));
            times.spent(Stage::Queued, Duration::from_secs(2));
            StatusCode::BAD_GATEWAY
        });
    let (listener, address) = bind().await;
    let (admin_listener, at) = bind().await;
    let ledger = Ledger::new();
    let shutdown = Shutdown::new();
    let slowest = Slowest::new();
    let admin = Admin::for_ledger(ledger.clone(), Readiness::new(&shutdown)).slowest(&slowest);
    // Whatever is said first and last.
    let admin = admin.status(StatusDetails::new);
    let server = Server::new()
        .listen(listener)
        .slowest(&slowest)
        .admin(admin_listener, admin);
    let serving = tokio::spawn(server.ledger(ledger.clone()).serve(app, shutdown.clone()));
    let site = Site {
        address,
        ledger,
        serving,
        shutdown,
    };
    let mut peer = site.peer().await;
    peer.get("/orders/secret").await;
    let mut gone = site.peer().await;
    gone.send("POST /gone HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    // A route without POST.
    assert!(gone.head().await.starts_with("HTTP/1.1 405 "));
    gone.send("GET /gone HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    drop(gone);
    eventually(|| site.ledger.of::<ServerBook>().sockets.open.get() == 1).await;
    let mut admin = Peer::new(at).await;
    let json: serde_json::Value = serde_json::from_str(&admin.get("/status.json").await.1).unwrap();
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
    let page = admin.get("/status").await.1;
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
async fn who_keeps_none_shows_none_and_pays_nothing() {
    let app = Router::new().fallback(async |request: axum::extract::Request| {
        request.extensions().get::<Times>().is_none().to_string()
    });
    let (site, at) = start(app).await;
    assert_eq!(site.peer().await.get("/").await.1, "true");
    let mut admin = Peer::new(at).await;
    assert!(!admin.get("/status").await.1.contains("Slowest"));
    assert!(!admin.get("/status.json").await.1.contains("slowest"));
    site.end().await;
}
