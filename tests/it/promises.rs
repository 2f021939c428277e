//! A publisher that waits for something slow holds no worker meanwhile.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use euryale::promise::{Key, PromisesExt, RepublishLayer};
use euryale::{Abort, Body, Pool, Request, Response, Transaction};
use euryale_test::{CountingDatabase, RawClient};
use euryale_tests::Site;

const ANSWER: Key<u64> = Key::new("answer");

/// `/{n}/{ms}`: a page that needs `n` answers, each after `ms`.
fn page(request: &Request, transaction: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    transaction.connection()?;
    let mut parts = request.uri().path()[1..].split('/').map(|part| part.parse::<u64>());
    let (n, ms) = (parts.next().unwrap()?, parts.next().unwrap()?);
    let promises = request.promises();
    let answers = promises.all((0..n).map(|i| {
        promises.ask(ANSWER.with(i), move || async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok::<_, Infallible>(i * i)
        })
    }))?;
    let answers: Vec<String> = answers.into_iter().map(|answer| answer.unwrap().to_string()).collect();
    Ok(Response::new(Body::from(format!("{} in pass {}", answers.join(" "), promises.pass()))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_answers_of_300_ms_each() {
    let site = Site::start(1, page).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    let began = Instant::now();
    let answer = client.get("/3/300").await.unwrap();
    let took = began.elapsed();
    assert_eq!(answer.text(), "0 1 4 in pass 2");
    assert!(took >= Duration::from_millis(300) && took <= Duration::from_millis(400), "{took:?}");
    let timing = answer.headers["server-timing"].to_str().unwrap();
    assert_eq!(timing.matches("answer;dur=30").count(), 3, "{timing}");
    let ledger = site.ledger();
    let held = ledger.publishers.seconds.sum();
    assert!(held < Duration::from_millis(20), "a worker was held for {held:?}");
    assert_eq!((ledger.conflicts.attempts.get(), ledger.promises.passes.get()), (2, 1));
    assert_eq!((ledger.transactions.aborted.get(), ledger.transactions.committed.get()), (1, 1));
    assert_eq!(ledger.promises.ok.get(), 3);
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_on_two_connections() {
    for running in [4096, 1500] {
        let pool = Pool::new(CountingDatabase::new(), 2);
        let layer = RepublishLayer::new().running(running);
        let site = Site::with(pool, |stack| stack.republish(layer), page).await;
        let address = site.address;
        let mut clients = Vec::new();
        for _ in 0..1000 {
            clients.push(RawClient::connect(address).await.unwrap());
        }
        let began = Instant::now();
        let answers: Vec<_> = clients
            .into_iter()
            .map(|mut client| tokio::spawn(async move { client.get("/3/300").await }))
            .collect();
        for answer in answers {
            let answer = answer.await.unwrap().unwrap();
            assert_eq!((answer.status.as_u16(), &*answer.text()), (200, "0 1 4 in pass 2"));
        }
        let took = began.elapsed();
        assert!(took <= Duration::from_millis(1500), "{took:?}");
        let ledger = site.ledger();
        assert_eq!(ledger.publishers.running.peak(), 2);
        assert!(ledger.promises.running.peak() <= running as i64);
        assert_eq!(ledger.promises.ok.get(), 3000);
        println!("{running}: {took:?}, {} suspended at once", ledger.promises.suspended.peak());
        site.end().await;
    }
}
