//! Responses that are computed, and bodies that are written, after the transaction.

mod crowd;
mod gone;

use std::io::Write;
use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale::deferred::{DeferredBook, DeferredLayer};
use euryale::{Body, Deferred, Error, Ledger, Pool, Request, Response, Transaction};
use euryale_test::{CountingDatabase, Gate, RawClient, eventually};
use euryale_tests::Site;
use http::StatusCode;

type Tx<'a, 'b> = &'a mut Transaction<'b, CountingDatabase>;

fn ok() -> Result<Response, Error> {
    Ok(Response::new(Body::from("OK")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a call that blocks is what is deferred"
)]
fn blocks(time: Duration) {
    std::thread::sleep(time);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_that_wait_long_on_two_connections() {
    const TIME: Duration = Duration::from_millis(200);
    let site = Site::start(2, |request: &Request, transaction: Tx<'_, '_>| {
        transaction.connection()?;
        Ok(Response::new(match request.uri().path() {
            "/blocking" => Deferred::blocking(|| {
                blocks(TIME);
                ok()
            })
            .into(),
            _ => Body::deferred(async {
                tokio::time::sleep(TIME).await;
                ok()
            }),
        }))
    })
    .await;
    let address = site.address;
    for path in ["/async", "/blocking"] {
        let began = Instant::now();
        let clients: Vec<_> = (0..100)
            .map(|_| {
                tokio::spawn(async move { RawClient::connect(address).await?.get(path).await })
            })
            .collect();
        for client in clients {
            let answer = client.await.unwrap().unwrap();
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (StatusCode::OK, "OK")
            );
            assert_eq!(answer.headers["content-length"], "2");
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{path}: {:?}",
            began.elapsed()
        );
    }
    assert!(site.ledger().of::<PoolBook>().publishers.running.peak() <= 2);
    assert!(site.ledger().of::<DeferredBook>().running.peak() > 50);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_before_the_first_byte_are_pages() {
    let pool = Pool::new(CountingDatabase::new(), 1);
    let deadline = DeferredLayer::new()
        .deadline(Duration::from_millis(20))
        .blocking(1)
        .max_waiting(0);
    let gate = Gate::new();
    let at = gate.clone();
    let publisher = move |request: &Request, _: Tx<'_, '_>| {
        let at = at.clone();
        Ok(Response::new(match request.uri().path() {
            "/error" => Body::deferred(async { Err("upstream") }),
            "/panic" => Body::deferred(async {
                std::panic::resume_unwind(Box::new("as scripted")) as Result<_, Error>
            }),
            "/never" => Body::deferred(std::future::pending::<Result<Response, Error>>()),
            _ => Deferred::blocking(move || {
                at.wait();
                ok()
            })
            .into(),
        }))
    };
    let site = Site::with(pool, |stack| stack.deferred(deadline), publisher).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    for (path, status) in [
        ("/error", 502),
        ("/panic", 500),
        ("/never", 504),
        ("/held", 504),
        ("/held", 503),
    ] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.text().contains(&format!("\"status\":{status}")));
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
    }
    gate.open();
    drop(client);
    site.end().await;
}

/// A client that reads everything at once.
struct Reader(RawClient);

impl Reader {
    async fn get(site: &Site, path: &str) -> Self {
        let mut client = RawClient::connect(site.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        client.send(request).await.unwrap();
        Self(client)
    }

    async fn until(&mut self, text: &str) {
        self.0.read_until(text.as_bytes()).await.unwrap();
    }

    /// Reads the rest. A body that breaks off may end in a reset.
    async fn rest(mut self) -> String {
        String::from_utf8_lossy(&self.0.read_rest().await).into_owned()
    }

    /// Returns whether the rest ends like a complete response.
    async fn ends_cleanly(self) -> bool {
        self.rest().await.ends_with("\r\n0\r\n\r\n")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_sees_each_chunk_before_the_next_is_written() {
    let gate = Gate::new();
    let at = gate.clone();
    let site = Site::start(1, move |_: &Request, _: Tx<'_, '_>| {
        let at = at.clone();
        Ok(Response::new(Body::writer(move |writer| {
            (0..10).try_for_each(|number| {
                at.wait();
                writer.write_all(format!("chunk {number}.").as_bytes())
            })
        })))
    })
    .await;
    let mut client = Reader::get(&site, "/").await;
    for number in 0..10 {
        gate.let_through(1);
        client.until(&format!("chunk {number}.")).await;
        assert_eq!(gate.passed(), number + 1);
    }
    assert!(client.ends_cleanly().await);
    site.end().await;
}

/// Returns whether the ledger's only transaction has committed, and no worker is held.
fn is_over(ledger: &Ledger) -> bool {
    ledger.transactions.committed.get() == 1
        && ledger.of::<PoolBook>().connections.in_use.get() == 0
        && ledger.of::<PoolBook>().publishers.running.get() == 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_iterators_run_after_the_transaction_and_hold_no_connection() {
    for path in ["/writer", "/iterator"] {
        let pool = Pool::new(CountingDatabase::new(), 1);
        let gate = Gate::new();
        let ledger = pool.ledger().clone();
        let at = gate.clone();
        let publisher = move |request: &Request, transaction: Tx<'_, '_>| {
            transaction.connection()?;
            let ledger = ledger.clone();
            let at = at.clone();
            Ok(Response::new(match request.uri().path() {
                "/writer" => Body::writer(move |writer| {
                    assert!(is_over(&ledger));
                    at.wait();
                    writer.write_all(b"written")
                }),
                "/iterator" => Body::iter(std::iter::once_with(move || {
                    assert!(is_over(&ledger));
                    at.wait();
                    "read"
                })),
                _ => Body::from("other"),
            }))
        };
        let site = Site::with(pool, |stack| stack, publisher).await;
        let client = Reader::get(&site, path).await;
        eventually("it is being written", || gate.waiting() == 1).await;
        // The only connection serves other requests during that time.
        let mut other = RawClient::connect(site.address).await.unwrap();
        assert_eq!(other.get("/other").await.unwrap().text(), "other");
        gate.open();
        assert!(client.ends_cleanly().await, "{path}");
        drop(other);
        site.end().await;
    }
}

/// A client that was told a length gets all of the body, or sees that it did not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_announced_is_kept_or_the_connection_breaks_off() {
    let site = Site::start(1, |request: &Request, _: Tx<'_, '_>| {
        let text = match request.uri().path() {
            "/short" => "12345",
            "/long" => "1234567",
            _ => "123456",
        };
        Ok(Response::new(Body::writer_of_length(6, move |writer| {
            writer.write_all(text.as_bytes())
        })))
    })
    .await;
    for (path, is_whole) in [("/exact", true), ("/short", false), ("/long", false)] {
        let answer = Reader::get(&site, path).await.rest().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        // A body that breaks off before the head was sent is cut together with it.
        assert!(
            answer.is_empty() || head.contains("content-length: 6"),
            "{path}: {answer}"
        );
        assert!(!head.contains("transfer-encoding"), "{path}: {answer}");
        assert_eq!(body.len() == 6, is_whole, "{path}: {answer}");
    }
    let mut client = RawClient::connect(site.address).await.unwrap();
    let head = {
        client
            .send("HEAD /exact HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        client.read_answer(true).await.unwrap()
    };
    assert_eq!(
        (
            head.headers["content-length"].as_bytes(),
            head.text().as_str()
        ),
        (&b"6"[..], "")
    );
    drop(client);
    site.end().await;
}

/// The kernel and hyper take a limited number of bytes. Then the writer blocks until it is given
/// up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_stops_the_writer() {
    let (written, error) = read_little_of_much(Duration::from_millis(250), false).await;
    assert!(
        written < 32 << 20,
        "{written} bytes written for a client that reads nothing"
    );
    assert_eq!(error, std::io::ErrorKind::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_ends_the_writer() {
    let (_, error) = read_little_of_much(Duration::from_secs(60), true).await;
    assert_eq!(error, std::io::ErrorKind::BrokenPipe);
}

/// The number of bytes that a writer has written, and its error, when its client has read a few
/// bytes.
async fn read_little_of_much(stall: Duration, hangs_up: bool) -> (usize, std::io::ErrorKind) {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let publisher = move |_: &Request, _: Tx<'_, '_>| {
        let tell = tell.clone();
        Ok(Response::new(Body::writer(move |writer| {
            let chunk = [b'x'; 10_000];
            let mut written = 0;
            loop {
                if let Err(error) = writer.write_all(&chunk) {
                    let _ = tell.send((written, error.kind()));
                    return Err(error);
                }
                written += chunk.len();
            }
        })))
    };
    let pool = Pool::new(CountingDatabase::new(), 1);
    let site = Site::with(
        pool,
        |stack| stack.deferred(DeferredLayer::new().stall(stall)),
        publisher,
    )
    .await;
    let mut client = Reader::get(&site, "/").await;
    client.until("xxxx").await;
    let client = (!hangs_up).then_some(client);
    let said = told.recv().await.unwrap();
    drop(client);
    site.end().await;
    said
}
