//! A publisher that waits for something slow holds no worker.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale::promise::{Key, PromiseBook, PromisesExt, RepublishLayer};
use euryale::{Abort, Body, Pool, Request, Response, Transaction};
use euryale_test::{CountingDatabase, RawClient, eventually};
use euryale_tests::Site;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: Key<u64> = Key::new("answer");

/// `/{n}/{ms}`: a page that needs `n` answers, each after `ms`.
fn page(
    request: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    transaction.connection()?;
    let mut parts = request.uri().path()[1..].split('/').map(str::parse::<u64>);
    let n = parts.next().unwrap()?;
    let ms = parts.next().unwrap()?;
    let promises = request.promises();
    let answers = promises.all((0..n).map(|i| {
        promises.ask(ANSWER.with(i), move || async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok::<_, Infallible>(i * i)
        })
    }))?;
    let answers: Vec<String> = answers
        .into_iter()
        .map(|answer| answer.unwrap().to_string())
        .collect();
    Ok(Response::new(Body::from(format!(
        "{} in pass {}",
        answers.join(" "),
        promises.pass()
    ))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_answers_of_300_ms_each() {
    let site = Site::start(1, page).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    let began = Instant::now();
    let answer = client.get("/3/300").await.unwrap();
    let took = began.elapsed();
    assert_eq!(answer.text(), "0 1 4 in pass 2");
    assert!(
        took >= Duration::from_millis(300) && took <= Duration::from_millis(400),
        "{took:?}"
    );
    let timing = answer.headers["server-timing"].to_str().unwrap();
    let times = timing.split(", ").map(|metric| {
        metric
            .strip_prefix("answer;dur=")
            .unwrap()
            .parse::<f64>()
            .unwrap()
    });
    assert_eq!(
        times.filter(|ms| (300.0..400.0).contains(ms)).count(),
        3,
        "{timing}"
    );
    let ledger = site.ledger();
    let held = ledger.of::<PoolBook>().publishers.seconds.sum();
    assert!(
        held < Duration::from_millis(20),
        "a worker was held for {held:?}"
    );
    assert_eq!(
        (
            ledger.transactions.attempts.get(),
            ledger.of::<PromiseBook>().passes.get()
        ),
        (2, 1)
    );
    assert_eq!(
        (
            ledger.transactions.aborted.get(),
            ledger.transactions.committed.get()
        ),
        (1, 1)
    );
    assert_eq!(ledger.of::<PromiseBook>().ok.get(), 3);
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
            assert_eq!(
                (answer.status.as_u16(), &*answer.text()),
                (200, "0 1 4 in pass 2")
            );
        }
        let took = began.elapsed();
        assert!(took <= Duration::from_millis(1500), "{took:?}");
        let ledger = site.ledger();
        assert_eq!(ledger.of::<PoolBook>().publishers.running.peak(), 2);
        assert!(ledger.of::<PromiseBook>().running.peak() <= running as i64);
        assert_eq!(ledger.of::<PromiseBook>().ok.get(), 3000);
        println!(
            "{running}: {took:?}, {} suspended at once",
            ledger.of::<PromiseBook>().suspended.peak()
        );
        site.end().await;
    }
}

/// The behaviour of an upstream towards its clients.
#[derive(Clone, Copy, Debug)]
enum Upstream {
    Answers,
    Slow,
    Hangs,
    Resets,
    Garbage,
    Gone,
}

impl Upstream {
    async fn start(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        if matches!(self, Self::Gone) {
            return address;
        }
        tokio::spawn(async move {
            loop {
                let (mut peer, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    if !matches!(self, Self::Resets) {
                        peer.read_u8().await?;
                    }
                    match self {
                        Self::Answers => peer.write_all(b"42").await,
                        Self::Slow => {
                            for byte in [b'4', b'2'] {
                                tokio::time::sleep(Duration::from_millis(100)).await;
                                peer.write_all(&[byte]).await?;
                            }
                            Ok(())
                        }
                        Self::Hangs => {
                            peer.write_all(b"4").await?;
                            std::future::pending().await
                        }
                        Self::Garbage => peer.write_all(b"\xff\0forty-two").await,
                        // Closing with unread bytes causes a reset.
                        Self::Resets => {
                            peer.peek(&mut [0]).await?;
                            Ok(())
                        }
                        Self::Gone => Ok(()),
                    }
                });
            }
        });
        address
    }
}

async fn number_of(upstream: SocketAddr) -> io::Result<u32> {
    let mut peer = TcpStream::connect(upstream).await?;
    peer.write_all(b"?").await?;
    let mut text = String::new();
    peer.take(64).read_to_string(&mut text).await?;
    text.parse().map_err(io::Error::other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_fails_is_a_value_and_a_page() {
    let cases = [
        (Upstream::Answers, "42"),
        (Upstream::Slow, "42"),
        (Upstream::Hangs, "a promise was not resolved in time"),
        (
            Upstream::Resets,
            "a promise failed: Connection reset by peer",
        ),
        (Upstream::Garbage, "a promise failed: invalid utf-8"),
        (Upstream::Gone, "a promise failed: Connection refused"),
    ];
    for (upstream, expected) in cases {
        let address = upstream.start().await;
        let site = Site::start(
            1,
            move |request: &Request, _: &mut Transaction<'_, CountingDatabase>| {
                let promises = request.promises().deadline(Duration::from_millis(500));
                // Shared or not, the result is the same.
                let promises = match request.uri().path() {
                    "/shared" => promises.shared(Duration::from_secs(60)),
                    _ => promises,
                };
                let number = promises.ask("number", move || number_of(address)).ready()?;
                let page =
                    number.map_or_else(|error| error.to_string(), |number| number.to_string());
                Ok(Response::new(Body::from(page)))
            },
        )
        .await;
        let mut client = RawClient::connect(site.address).await.unwrap();
        for path in ["/", "/shared", "/shared"] {
            let began = Instant::now();
            let answer = client.get(path).await.unwrap();
            assert!(began.elapsed() < Duration::from_secs(1), "{upstream:?}");
            assert_eq!(answer.status, 200);
            assert!(
                answer.text().starts_with(expected),
                "{upstream:?}: {}",
                answer.text()
            );
        }
        drop(client);
        site.end().await;
    }
}

/// HTTP/1.1, and the closing of a socket as the server sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_cancels_its_promises() {
    let site = Site::start(1, page).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = RawClient::connect(site.address).await.unwrap();
        client
            .send("GET /3/30000 HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        clients.push(client);
    }
    let ledger = site.ledger().clone();
    eventually("their promises run", || {
        ledger.of::<PromiseBook>().running.get() == 60
    })
    .await;
    drop(clients);
    eventually("they are cancelled", || {
        ledger.of::<PromiseBook>().cancelled.get() == 60
    })
    .await;
    assert_eq!(ledger.transactions.attempts.get(), 20, "no further pass");
    site.end().await;
}
