//! A lane that is full keeps to its share.

use std::io::Write;
use std::time::{Duration, Instant};

use euryale::{Body, Pool, Request, Response, Transaction};
use euryale_test::{CountingDatabase, Gate, RawClient, eventually};
use euryale_tests::Site;

/// Uploads wait at `uploads`, `/held` at `pages`; all answer with the number of their connection.
async fn with_uploads(connections: usize, share: usize) -> (Site, Gate, Gate) {
    let (uploads, pages) = (Gate::new(), Gate::new());
    let pool = Pool::builder(CountingDatabase::new()).connections(connections).lane("uploads", share).build();
    let lane = pool.lane("uploads").unwrap();
    let publisher = {
        let (uploads, pages) = (uploads.clone(), pages.clone());
        move |request: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
            match request.uri().path() {
                "/upload" => uploads.wait(),
                "/held" => pages.wait(),
                _ => {}
            }
            Ok(Response::new(Body::from(transaction.connection()?.id().to_string())))
        }
    };
    let site =
        Site::with(pool, |stack| stack.lane(lane, |request| request.uri().path() == "/upload"), publisher)
            .await;
    (site, uploads, pages)
}

/// So many uploads, one of which holds its connection, the others wait for theirs.
async fn fill(site: &Site, uploads: &Gate, count: usize) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for n in 1..=count {
        let mut client = RawClient::connect(site.address).await.unwrap();
        client.send("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody").await.unwrap();
        let arrived = || (uploads.waiting(), site.pool.status().queued) == (1, n - 1);
        eventually("the first is published, the others wait", arrived).await;
        clients.push(client);
    }
    clients
}

async fn answered(clients: Vec<RawClient>) {
    for mut client in clients {
        assert_eq!(client.read_answer(false).await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_leaves_the_other_connection_alone() {
    let (site, uploads, pages) = with_uploads(2, 1).await;
    let clients = fill(&site, &uploads, 20).await;
    let mut reader = RawClient::connect(site.address).await.unwrap();
    for _ in 0..200 {
        assert_eq!(reader.get("/page").await.unwrap().status, 200);
    }
    assert_eq!(uploads.passed(), 0, "all of them while the lane was full");
    assert_eq!(site.pool.status().queued, 19, "and none of the lane was taken for them");

    // A page waits for a page, never for the uploads that came before it.
    reader.send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    eventually("a page is published", || pages.waiting() == 1).await;
    let mut second = RawClient::connect(site.address).await.unwrap();
    second.send("GET /page HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    eventually("a page waits for its connection", || site.pool.status().queued == 20).await;
    pages.open();
    assert_eq!(second.read_answer(false).await.unwrap().status, 200);
    assert_eq!((uploads.waiting(), uploads.passed(), site.pool.status().queued), (1, 0, 19));
    answered(vec![reader]).await;

    uploads.open();
    answered(clients).await;
    assert_eq!(uploads.passed(), 20);
    assert_eq!(site.ledger().publishers.running.peak(), 2);
    drop(second);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_a_lane_and_the_others_in_turn() {
    let (site, uploads, _) = with_uploads(1, 1).await;
    let clients = fill(&site, &uploads, 10).await;
    let mut readers = Vec::new();
    for n in 1..=10 {
        let mut reader = RawClient::connect(site.address).await.unwrap();
        reader.send("GET /page HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        eventually("it waits", || site.pool.status().queued == 9 + n).await;
        readers.push(reader);
    }
    for n in 1..=10 {
        uploads.let_through(1);
        eventually("an upload went", || uploads.passed() == n).await;
    }
    answered(clients).await;
    answered(readers).await;
    assert_eq!(site.ledger().publishers.running.peak(), 1);
    site.end().await;
}

/// How long pages take, as their client sees it, with nothing beside them and beside a lane that is full. Run it
/// alone, with `--release`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_a_full_lane_costs_the_others() {
    let (site, uploads, _) = with_uploads(2, 1).await;
    let mut reader = RawClient::connect(site.address).await.unwrap();
    latencies(&mut reader, 500).await;
    let mut report = std::io::stderr();
    let mut tell = |what: &str, [median, p99]: [Duration; 2]| {
        writeln!(report, "{what}: median {median:?}, p99 {p99:?}").unwrap();
    };
    for _ in 0..5 {
        tell("quiet", latencies(&mut reader, 2000).await);
        let clients = fill(&site, &uploads, 20).await;
        tell("full", latencies(&mut reader, 2000).await);
        uploads.let_through(20);
        answered(clients).await;
    }
    drop(reader);
    site.end().await;
}

/// The median and the 99th percentile of so many pages, one after the other.
async fn latencies(reader: &mut RawClient, count: usize) -> [Duration; 2] {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        assert_eq!(reader.get("/page").await.unwrap().status, 200);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    [took[count / 2], took[count * 99 / 100]]
}
