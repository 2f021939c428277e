//! Tests of `/livez`, `/readyz` and `/metrics`, and of their access rules.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::routing::get;
use euryale_connection::Pool;
use euryale_core::body::Reserve;
use euryale_core::pool::PoolControl;
use euryale_core::request::Route;
use euryale_server::{Listener, Readiness};
use euryale_test::{CountingDatabase, assert_quiet, eventually};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower_service::Service;

use super::*;
use crate::StatusDetails;

async fn start(app: Router) -> (Site, Arc<AtomicBool>) {
    let is_up = Arc::new(AtomicBool::new(true));
    let probed = is_up.clone();
    let site = Site::start(Server::new(), app, |ledger, shutdown| {
        let readiness = Readiness::new(shutdown).probe(move || probed.load(Relaxed));
        Admin::for_ledger(ledger.clone(), readiness)
    });
    (site.await, is_up)
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let (site, is_up) = start(Router::new()).await;
    let mut peer = site.operator().await;
    let answer = peer.get("/livez").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.text(), "live\n");
    assert_eq!(peer.get("/readyz").await.text(), "ready\n");
    is_up.store(false, Relaxed);
    let answer = peer.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), "not ready\n");
    assert_eq!(peer.get("/livez").await.status, 200);

    site.ledger.transactions.begun.add(7);
    let answer = peer.get("/metrics").await;
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let metrics = answer.text();
    assert!(
        metrics.contains("\neuryale_transactions_begun_total 7\n"),
        "{metrics}"
    );
    // The operator's own socket does not count as a peer of the site.
    assert!(metrics.contains("\neuryale_sockets_open 0\n"), "{metrics}");

    let answer = peer.get("/").await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.headers["location"], "status");
    assert_eq!(peer.get("/statu").await.status, 404);
    let answer = peer
        .ask("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS");
    for path in ["/livez", "/status"] {
        let answer = peer
            .ask(&format!("OPTIONS {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS");
    }
    peer.send("HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(peer.head().await.1["content-length"], "5");
    site.end().await;
}

#[tokio::test]
async fn the_pages_stay_up_during_the_drain_and_end_last() {
    let gate = AsyncGate::new();
    let held = gate.clone();
    let app = Router::new().route("/", get(move || async move { held.pass().await }));
    let (site, _) = start(app).await;
    let mut busy = site.peer().await;
    busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    site.shutdown.drain();
    let mut peer = site.operator().await;
    assert_eq!(peer.get("/livez").await.status, 200);
    assert_eq!(peer.get("/readyz").await.status, 503);
    gate.let_through(1);
    assert_eq!(busy.answer().await.status, 200);
    let admin = site.admin;
    assert!(site.end().await.is_complete());
    assert_eq!(peer.rest().await, b"");
    assert!(RawClient::connect(admin).await.is_err());
}

/// The server has two places, and both are taken.
#[tokio::test]
async fn an_idle_socket_is_closed_for_a_new_operator() {
    let operators = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = operators.local_addr().unwrap();
    let operators = Listener::from(operators).reserve(Reserve::new(2, |_| {}));
    let shutdown = Shutdown::new();
    let ledger = Ledger::new();
    let pages = Admin::for_ledger(ledger.clone(), Readiness::new(&shutdown));
    let hour = Duration::from_secs(3600);
    let server = Server::new()
        .head_timeout(hour)
        .idle_timeout(hour)
        .admin(operators, pages);
    let serving = tokio::spawn(server.serve(Router::new(), shutdown.clone()));
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(Peer::new(admin).await);
    }
    let mut asked = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::new(admin).await;
        assert_eq!(peer.get("/livez").await.text(), "live\n");
        asked.push(peer);
    }
    for peer in silent.iter_mut().chain(&mut asked[..2]) {
        assert_eq!(peer.rest().await, b"");
    }
    // A viewer of the live page is not idle. The other client is idle, and is closed.
    let mut looks_on = asked.pop().unwrap();
    looks_on
        .send("GET /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    looks_on.head().await;
    for _ in 0..3 {
        let mut peer = Peer::new(admin).await;
        assert_eq!(peer.get("/livez").await.text(), "live\n");
    }
    // One event may have arrived before.
    for _ in 0..2 {
        looks_on.event("status").await;
    }
    shutdown.drain();
    within(serving).await.unwrap();
}

#[test]
fn the_pages_are_answered_while_every_blocking_thread_is_stuck() {
    const THREADS: usize = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let held = barrier.clone();
    let arrived = Arc::new(Semaphore::new(0));
    let came = arrived.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the pool must be full for this test"
    )]
    let handler = move || {
        let held = held.clone();
        let came = came.clone();
        async move {
            let blocking = tokio::task::spawn_blocking(move || {
                came.add_permits(1);
                held.wait();
            });
            blocking.await.unwrap();
            "free"
        }
    };
    runtime.block_on(async {
        let app = Router::new().route("/", get(handler));
        let (site, _) = start(app).await;
        let mut peers = Vec::new();
        for _ in 0..THREADS {
            let mut peer = site.peer().await;
            peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            within(arrived.acquire()).await.unwrap().forget();
            peers.push(peer);
        }
        for path in ["/livez", "/readyz", "/metrics", "/status", "/status.json"] {
            let answer = site.operator().await.get(path).await;
            assert_eq!(answer.status, 200, "{path}");
        }
        let mut live = site.operator().await;
        live.send("GET /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert_eq!(live.head().await.0, 200);
        for _ in 0..2 {
            live.event("status").await;
        }
        barrier.wait();
        for mut peer in peers {
            assert_eq!(peer.answer().await.text(), "free");
        }
        site.end().await;
    });
}

#[tokio::test]
async fn the_pages_of_a_pool_name_the_jobs_that_hold_its_workers() {
    let pool = Pool::builder(()).connections(2).lane("reports", 1).build();
    let mut admin = Admin::new(&pool);
    let claim = pool.claim().route(Route::new("/reports/{year}"));
    let claim = claim.lane(pool.lane("reports").unwrap());
    let gate = euryale_test::Gate::new();
    let held = gate.clone();
    let job = tokio::spawn(claim.on_connection(move |()| held.wait()));
    eventually("it runs", || gate.waiting() == 1).await;
    let (_, page) = ask(&mut admin, "/status.json").await;
    for part in ["\"/reports/{year}\"", "\"reports\"", "\"publishing\""] {
        assert!(page.contains(part), "{part} in {page}");
    }
    gate.open();
    job.await.unwrap().unwrap();
    assert_eq!(ask(&mut admin, "/readyz").await.0, StatusCode::OK);
    pool.close(Duration::from_secs(5)).await.unwrap();
    let closed = ask(&mut admin, "/readyz").await;
    assert_eq!(closed.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test]
async fn readiness_and_details_of_the_program_are_combined_with_those_of_its_pool() {
    let pool = Pool::new((), 2);
    let shutdown = Shutdown::new();
    let mut admin = Admin::new(&pool)
        .status(|| StatusDetails::new().fact("Theme", "Version", "3f2a"))
        .program("shop 1.2")
        .readiness(Readiness::new(&shutdown));
    shutdown.drain();
    let draining = ask(&mut admin, "/readyz").await;
    assert_eq!(draining.0, StatusCode::SERVICE_UNAVAILABLE);
    let (_, page) = ask(&mut admin, "/status.json").await;
    for part in ["\"draining\"", "\"3f2a\"", "\"shop 1.2\""] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[tokio::test]
async fn the_pages_show_a_pool_that_was_chosen_at_run_time() {
    for (has_database, lane) in [(false, "reports"), (true, "uploads")] {
        let pool: Arc<dyn PoolControl> = if has_database {
            let builder = Pool::builder(CountingDatabase::new());
            Arc::new(builder.lane(lane, 1).build())
        } else {
            Arc::new(Pool::builder(()).lane(lane, 1).build())
        };
        let mut admin = Admin::new(&pool);
        pool.resize(7);
        pool.share(lane, 2).unwrap();
        pool.restrict(3, None);
        assert_eq!(pool.lanes().join(" "), format!("default {lane}"));
        assert_eq!(ask(&mut admin, "/readyz").await.0, StatusCode::OK);
        let (_, metrics) = ask(&mut admin, "/metrics").await;
        assert!(metrics.contains("euryale_connections_cap 7"), "{metrics}");
        pool.close(Duration::from_secs(5)).await.unwrap();
        let closed = ask(&mut admin, "/readyz").await;
        assert_eq!(closed.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_quiet(pool.ledger()).await;
    }
}

async fn ask(admin: &mut Admin, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(()).unwrap();
    let response = admin.call(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap();
    let text = String::from_utf8(body.to_bytes().to_vec());
    (status, text.unwrap())
}
