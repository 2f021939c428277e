use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::routing::get;

use euryale_connection::Pool;
use euryale_core::Route;
use euryale_core::pool::PoolControl;
use euryale_test::{CountingDatabase, assert_quiet, eventually};
use http::StatusCode;
use http_body_util::BodyExt;

use super::*;
use crate::{Admin, Checked, Readiness, StatusDetails};

async fn start(app: Router, deadline: Duration) -> (Site, SocketAddr, Arc<AtomicBool>) {
    let (listener, site_address) = bind().await;
    let (admin_listener, admin) = bind().await;
    let ledger = Ledger::new();
    let shutdown = Shutdown::new();
    let is_up = Arc::new(AtomicBool::new(true));
    let probed = is_up.clone();
    let readiness = Readiness::new(&shutdown).probe(move || probed.load(Relaxed));
    let server = Server::new()
        .listen(listener)
        .ledger(ledger.clone())
        .drain_deadline(deadline)
        .admin(admin_listener, Admin::for_ledger(ledger.clone(), readiness));
    let site = Site {
        address: site_address,
        ledger,
        serving: tokio::spawn(server.serve(app, shutdown.clone())),
        shutdown,
    };
    (site, admin, is_up)
}

#[tokio::test]
async fn every_question_has_its_answer() {
    let (site, admin, is_up) = start(Router::new(), PATIENCE).await;
    let mut peer = Peer::new(admin).await;
    let (head, body) = peer.get("/livez").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("cache-control: no-store\r\n"), "{head}");
    assert_eq!(body, "live\n");
    assert_eq!(peer.get("/readyz").await.1, "ready\n");
    is_up.store(false, Relaxed);
    let (head, body) = peer.get("/readyz").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, "not ready\n");
    assert!(peer.get("/livez").await.0.starts_with("HTTP/1.1 200 "));

    site.ledger.transactions.begun.add(7);
    let (head, body) = peer.get("/metrics").await;
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(
        body.contains("\neuryale_transactions_begun_total 7\n"),
        "{body}"
    );
    // The admin's own socket is not a peer of the site.
    assert!(body.contains("\neuryale_sockets_open 0\n"), "{body}");

    let (head, _) = peer.get("/").await;
    assert!(head.starts_with("HTTP/1.1 302 "), "{head}");
    assert!(head.contains("\r\nlocation: status\r\n"), "{head}");
    assert!(peer.get("/statu").await.0.starts_with("HTTP/1.1 404 "));
    peer.send("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    let (head, _) = peer.response().await;
    assert!(
        head.starts_with("HTTP/1.1 405 ") && head.contains("allow: GET, HEAD, OPTIONS\r\n"),
        "{head}"
    );
    for path in ["/livez", "/status"] {
        peer.send(format!("OPTIONS {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let head = peer.head().await;
        assert!(
            head.starts_with("HTTP/1.1 204 ") && head.contains("allow: GET, HEAD, OPTIONS\r\n"),
            "{head}"
        );
    }
    peer.send("HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(content_length(&peer.head().await), Some(5));
    site.end().await;
}

#[tokio::test]
async fn it_stays_up_during_the_drain_and_ends_last() {
    let gate = Gate::new();
    let held = gate.clone();
    let app = Router::new().route("/", get(move || async move { held.pass().await }));
    let (site, admin, _) = start(app, PATIENCE).await;
    let mut busy = site.peer().await;
    busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gate.arrived().await;
    site.shutdown.drain();
    let mut peer = Peer::new(admin).await;
    assert!(peer.get("/livez").await.0.starts_with("HTTP/1.1 200 "));
    assert!(peer.get("/readyz").await.0.starts_with("HTTP/1.1 503 "));
    gate.open();
    assert!(busy.head().await.starts_with("HTTP/1.1 200 "));
    assert!(site.end().await.is_complete());
    assert_eq!(peer.rest().await, b"");
    assert!(TcpStream::connect(admin).await.is_err());
}

/// With two places, which are those of peers that need none.
#[tokio::test]
async fn an_idle_socket_makes_room_for_an_operator_who_comes() {
    let (listener, _) = bind().await;
    let (operators, admin) = bind().await;
    let shutdown = Shutdown::new();
    let ledger = Ledger::new();
    let pages = Admin::for_ledger(ledger.clone(), Readiness::new(&shutdown));
    let hour = Duration::from_secs(3600);
    let server = Server::new()
        .listen(listener)
        .head_timeout(hour)
        .idle_timeout(hour)
        .admin(
            crate::Listener::from(operators).reserve(euryale_core::Reserve::new(2, |_| {})),
            pages,
        );
    let serving = tokio::spawn(server.serve(Router::new(), shutdown.clone()));
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(Peer::new(admin).await);
    }
    let mut asked = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::new(admin).await;
        assert_eq!(peer.get("/livez").await.1, "live\n");
        asked.push(peer);
    }
    for peer in silent.iter_mut().chain(&mut asked[..2]) {
        assert_eq!(peer.rest().await, b"");
    }
    // One that looks on is not idle, the other is, and is closed.
    let mut looks_on = asked.pop().unwrap();
    looks_on
        .send("GET /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    looks_on.head().await;
    for _ in 0..3 {
        assert_eq!(Peer::new(admin).await.get("/livez").await.1, "live\n");
    }
    // One may have come before.
    for _ in 0..2 {
        looks_on.event("status").await;
    }
    shutdown.drain();
    within(serving).await.unwrap();
}

#[test]
fn it_answers_while_every_blocking_thread_is_stuck() {
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
        let (site, admin, _) = start(app, PATIENCE).await;
        let mut peers = Vec::new();
        for _ in 0..THREADS {
            let mut peer = site.peer().await;
            peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            within(arrived.acquire()).await.unwrap().forget();
            peers.push(peer);
        }
        for path in ["/livez", "/readyz", "/metrics", "/status", "/status.json"] {
            let (head, _) = Peer::new(admin).await.get(path).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        }
        let mut live = Peer::new(admin).await;
        live.send("GET /status/events HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert!(live.head().await.starts_with("HTTP/1.1 200 "));
        for _ in 0..2 {
            live.event("status").await;
        }
        barrier.wait();
        for mut peer in peers {
            assert_eq!(peer.response().await.1, "free");
        }
        site.end().await;
    });
}

/// Checks that end when a gate opens, as two flags say, and how many began.
struct Checks {
    readiness: Readiness,
    /// With a permit, checks end.
    gate: Arc<Semaphore>,
    fails: Arc<AtomicBool>,
    knows: Arc<AtomicBool>,
    began: Arc<Semaphore>,
}

impl Checks {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let fails = Arc::new(AtomicBool::new(false));
        let knows = Arc::new(AtomicBool::new(true));
        let began = Arc::new(Semaphore::new(0));
        let readiness = Readiness::new(&Shutdown::new()).check(Duration::from_secs(1), {
            let gate = gate.clone();
            let fails = fails.clone();
            let knows = knows.clone();
            let began = began.clone();
            move || {
                let gate = gate.clone();
                let fails = fails.clone();
                let knows = knows.clone();
                began.add_permits(1);
                async move {
                    drop(gate.acquire().await.unwrap());
                    match (knows.load(Relaxed), fails.load(Relaxed)) {
                        (false, _) => Checked::Unknown,
                        (true, true) => Checked::Failed("gone".into()),
                        (true, false) => Checked::Passed,
                    }
                }
            }
        });
        Self {
            readiness,
            gate,
            fails,
            knows,
            began,
        }
    }

    fn began(&self) -> usize {
        self.began.available_permits()
    }

    /// Asks after a second, and again when the check that this began has ended.
    async fn ask(&self) -> bool {
        tokio::time::advance(Duration::from_secs(1)).await;
        self.readiness.is_ready();
        self.settle().await;
        let is_ready = self.readiness.is_ready();
        self.settle().await;
        is_ready
    }

    /// Has the check run as far as it goes.
    async fn settle(&self) {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_check_runs_at_a_time_and_at_a_bounded_rate() {
    let checks = Checks::new();
    assert_eq!(checks.began(), 0, "none while nobody asks");
    for _ in 0..10 {
        assert!(checks.ask().await, "nobody waits for the first one");
    }
    assert_eq!(checks.began(), 1, "it has not ended");
    checks.gate.add_permits(1);
    assert!(checks.ask().await);
    let before = checks.began();
    for _ in 0..100 {
        assert!(checks.readiness.is_ready());
    }
    checks.settle().await;
    assert_eq!(checks.began(), before, "not within the second");
    assert!(checks.ask().await);
    assert_eq!(checks.began(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_does_not_end_has_failed_until_it_does() {
    for knows in [true, false] {
        let checks = Checks::new();
        for _ in 0..10 {
            assert!(checks.ask().await, "it may take its time");
        }
        for _ in 0..100 {
            assert!(!checks.ask().await, "ten seconds are enough");
        }
        assert_eq!(checks.began(), 1, "none is begun beside it");
        checks.knows.store(knows, Relaxed);
        checks.gate.add_permits(1);
        assert!(
            checks.ask().await,
            "what it found counts, or the one before"
        );
        assert!(checks.ask().await);
        assert!(checks.began() > 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_takes_readiness_away_and_one_that_passes_brings_it_back() {
    let checks = Checks::new();
    checks.gate.add_permits(1);
    assert!(checks.ask().await);
    checks.fails.store(true, Relaxed);
    assert!(!checks.ask().await);
    checks.knows.store(false, Relaxed);
    assert!(!checks.ask().await, "what is not known changes nothing");
    checks.fails.store(false, Relaxed);
    assert!(!checks.ask().await);
    checks.knows.store(true, Relaxed);
    assert!(checks.ask().await);
    checks.knows.store(false, Relaxed);
    checks.fails.store(true, Relaxed);
    assert!(checks.ask().await, "what is not known changes nothing");
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
async fn readiness_and_details_of_the_program_go_with_those_of_its_pool() {
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
