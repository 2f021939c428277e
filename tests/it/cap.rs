//! The cap is never exceeded, whatever clients do.

use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale::{Body, Request, Response, Transaction};
use euryale_test::{CountingDatabase, Gate, H2Client, RawClient, ScriptedPublisher, eventually};
use euryale_tests::Site;

/// A site whose publisher does what the path says, and its gate.
async fn scripted(connections: usize) -> (Site, Gate) {
    let publisher = ScriptedPublisher::new();
    let gate = publisher.gate().clone();
    (Site::start(connections, publisher).await, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_slow_requests_on_two_connections() {
    #[expect(
        clippy::disallowed_methods,
        reason = "work that blocks is what is published"
    )]
    let site = Site::start(
        2,
        |_: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
            transaction.connection()?;
            std::thread::sleep(Duration::from_millis(50));
            Ok(Response::new(Body::from("OK")))
        },
    )
    .await;
    let address = site.address;
    let began = Instant::now();
    let clients: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(async move { RawClient::connect(address).await?.get("/slow?ms=50").await })
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap().unwrap().status, 200);
    }
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(2400) && took <= Duration::from_millis(3200),
        "{took:?}"
    );
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_http2_client_that_resets_its_streams() {
    let (site, gate) = scripted(2).await;
    let mut client = H2Client::connect(site.address).await.unwrap();
    for n in 1..=200 {
        let (response, stream) = client.open("/held").await.unwrap();
        eventually("it arrived", || site.arrived() == n).await;
        H2Client::reset(stream);
        drop(response);
    }
    eventually("all have left the queue", || {
        site.ledger().of::<PoolBook>().queue.gone.get() == 198
    })
    .await;
    assert_eq!((gate.waiting(), site.pool.status().queued), (2, 0));
    gate.open();
    eventually("the two have ended", || site.pool.status().running == 0).await;
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    assert_eq!(
        site.ledger().transactions.attempts.get(),
        2,
        "who was cancelled in the queue is never published"
    );
    assert_eq!(
        site.ledger().transactions.stopped.client_gone.get(),
        2,
        "what was published only reads, and is stopped"
    );
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up() {
    let (site, gate) = scripted(2).await;
    for n in 1..=200 {
        let mut client = RawClient::connect(site.address).await.unwrap();
        client
            .send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        eventually("it arrived", || site.arrived() == n).await;
    }
    eventually("all have left the queue", || {
        site.ledger().of::<PoolBook>().queue.gone.get() == 198
    })
    .await;
    gate.open();
    eventually("the two have ended", || site.pool.status().running == 0).await;
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    assert_eq!(site.ledger().transactions.attempts.get(), 2);
    site.end().await;
}

/// Bytes in the socket's buffer hide the end of the stream from hyper, so such a request runs to
/// its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipelining_client_that_hangs_up_is_served_to_its_end() {
    let (site, gate) = scripted(1).await;
    let mut holder = RawClient::connect(site.address).await.unwrap();
    holder
        .send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("the worker is busy", || gate.waiting() == 1).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    client
        .send("GET /one HTTP/1.1\r\nhost: test\r\n\r\nGET /two HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("it arrived", || site.pool.status().queued == 1).await;
    drop(client);
    assert_eq!(site.ledger().of::<PoolBook>().queue.gone.get(), 0);
    gate.open();
    assert_eq!(holder.read_answer(false).await.unwrap().status, 200);
    // The second request is read when the first one is answered, and writing that answer may show
    // that the client is gone.
    eventually("the first was published", || {
        site.ledger().transactions.attempts.get() >= 2
    })
    .await;
    drop(holder);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_publication_waits_for_the_one_whose_client_is_gone() {
    let (site, gate) = scripted(1).await;
    let mut first = RawClient::connect(site.address).await.unwrap();
    first
        .send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("it is published", || gate.waiting() == 1).await;
    drop(first);
    let mut second = RawClient::connect(site.address).await.unwrap();
    second
        .send("GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("the second waits", || site.pool.status().queued == 1).await;
    assert_eq!(
        site.ledger().transactions.attempts.get(),
        1,
        "not before the first has ended"
    );
    gate.open();
    assert_eq!(second.read_answer(false).await.unwrap().status, 200);
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 1);
    drop(second);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_after_the_other_gets_the_same_connection() {
    let (site, _) = scripted(4).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    let mut same = 0;
    for _ in 0..200 {
        same += usize::from(client.get("/").await.unwrap().text() == "1");
    }
    assert!(same >= 190, "{same} of 200");
    eventually("no thread is busy", || site.pool.status().running == 0).await;
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_never_touches_the_database_opens_no_connection() {
    let (site, _) = scripted(2).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    for _ in 0..10 {
        assert_eq!(client.get("/static").await.unwrap().text(), "static");
    }
    assert_eq!(site.ledger().of::<PoolBook>().connections.opened.get(), 0);
    drop(client);
    site.end().await;
}
