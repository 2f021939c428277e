//! A full lane does not exceed its share.

use std::io::Write;
use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale::{Body, Pool, Request, Response, Transaction};
use euryale_test::{CountingDatabase, Gate, RawClient, eventually};
use euryale_tests::Site;

/// Uploads wait at `uploads`, `/held` at `pages`; all answer with the number of their connection.
async fn with_uploads(connections: usize, share: usize) -> (Site, Gate, Gate) {
    let uploads = Gate::new();
    let pages = Gate::new();
    let pool = Pool::builder(CountingDatabase::new())
        .connections(connections)
        .lane("uploads", share)
        .build();
    let lane = pool.lane("uploads").unwrap();
    let publisher = {
        let uploads = uploads.clone();
        let pages = pages.clone();
        move |request: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
            match request.uri().path() {
                "/upload" => uploads.wait(),
                "/held" => pages.wait(),
                _ => {}
            }
            Ok(Response::new(Body::from(
                transaction.connection()?.id().to_string(),
            )))
        }
    };
    let site = Site::with(
        pool,
        |stack| stack.lane(lane, |request| request.uri().path() == "/upload"),
        publisher,
    )
    .await;
    (site, uploads, pages)
}

/// Uploads, one of which holds its connection; the others wait for theirs.
async fn fill(site: &Site, uploads: &Gate, clients: &mut [RawClient]) {
    for (n, client) in clients.iter_mut().enumerate() {
        client
            .send("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody")
            .await
            .unwrap();
        let arrived = || (uploads.waiting(), site.pool.status().queued) == (1, n);
        eventually("the first is published, the others wait", arrived).await;
    }
}

async fn connected(site: &Site, count: usize) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(RawClient::connect(site.address).await.unwrap());
    }
    clients
}

async fn answered(clients: &mut [RawClient]) {
    for client in clients {
        assert_eq!(client.read_answer(false).await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_leaves_the_other_connection_alone() {
    let (site, uploads, pages) = with_uploads(2, 1).await;
    let mut clients = connected(&site, 20).await;
    fill(&site, &uploads, &mut clients).await;
    let mut reader = RawClient::connect(site.address).await.unwrap();
    for _ in 0..200 {
        assert_eq!(reader.get("/page").await.unwrap().status, 200);
    }
    assert_eq!(uploads.passed(), 0, "all of them while the lane was full");
    assert_eq!(
        site.pool.status().queued,
        19,
        "and none of the lane was taken for them"
    );

    // A page waits for a page, never for the uploads that came before it.
    reader
        .send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("a page is published", || pages.waiting() == 1).await;
    let mut second = RawClient::connect(site.address).await.unwrap();
    second
        .send("GET /page HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("a page waits for its connection", || {
        site.pool.status().queued == 20
    })
    .await;
    pages.open();
    assert_eq!(second.read_answer(false).await.unwrap().status, 200);
    assert_eq!(
        (
            uploads.waiting(),
            uploads.passed(),
            site.pool.status().queued
        ),
        (1, 0, 19)
    );
    assert_eq!(reader.read_answer(false).await.unwrap().status, 200);

    uploads.open();
    answered(&mut clients).await;
    assert_eq!(uploads.passed(), 20);
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    drop((clients, reader, second));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_a_lane_and_the_others_in_turn() {
    let (site, uploads, _) = with_uploads(1, 1).await;
    let mut clients = connected(&site, 10).await;
    fill(&site, &uploads, &mut clients).await;
    let mut readers = connected(&site, 10).await;
    for (n, reader) in readers.iter_mut().enumerate() {
        reader
            .send("GET /page HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        eventually("it waits", || site.pool.status().queued == 10 + n).await;
    }
    for n in 1..=10 {
        uploads.let_through(1);
        eventually("an upload went", || uploads.passed() == n).await;
    }
    answered(&mut clients).await;
    answered(&mut readers).await;
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 1);
    drop((clients, readers));
    site.end().await;
}

/// The time of pages as their client sees it: with twenty quiet sockets, with twenty sockets that
/// fill the lane, and (because pages then have one of two connections) on a site with one
/// connection. Run it alone, with `--release`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn latency_of_other_lanes_while_one_is_full() {
    const ROUNDS: usize = 21;
    let (site, uploads, _) = with_uploads(2, 1).await;
    let mut clients = connected(&site, 20).await;
    let mut reader = RawClient::connect(site.address).await.unwrap();
    let (small, ..) = with_uploads(1, 1).await;
    let mut alone = RawClient::connect(small.address).await.unwrap();
    latencies(&mut reader).await;
    let mut quiet = Vec::new();
    let mut full = Vec::new();
    let mut one = Vec::new();
    for _ in 0..ROUNDS {
        quiet.push(latencies(&mut reader).await);
        fill(&site, &uploads, &mut clients).await;
        full.push(latencies(&mut reader).await);
        uploads.let_through(clients.len());
        answered(&mut clients).await;
        one.push(latencies(&mut alone).await);
    }
    for (what, rounds) in [("quiet", quiet), ("full", full), ("one connection", one)] {
        let [median, p99] = [0, 1].map(|figure| {
            let mut rounds: Vec<_> = rounds
                .iter()
                .map(|figures: &[Duration; 2]| figures[figure])
                .collect();
            rounds.sort_unstable();
            rounds[ROUNDS / 2]
        });
        writeln!(std::io::stderr(), "{what}: median {median:?}, p99 {p99:?}").unwrap();
    }
    drop((clients, reader, alone));
    site.end().await;
    small.end().await;
}

/// The median and the 99th percentile of 2,000 pages, one after the other.
async fn latencies(reader: &mut RawClient) -> [Duration; 2] {
    const PAGES: usize = 2000;
    let mut took = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let began = Instant::now();
        assert_eq!(reader.get("/page").await.unwrap().status, 200);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    [took[PAGES / 2], took[PAGES * 99 / 100]]
}
