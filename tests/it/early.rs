//! Answers that leave before their transaction has ended, on the wire.

use std::io::Write;
use std::time::Duration;

use euryale::transaction::ReleasePoint;
use euryale::{Pool, Request, Response, Stack, Transaction};
use euryale_test::{CountingDatabase, Gate, RawClient, eventually};
use euryale_tests::Site;

type Tx<'a, 'b> = &'a mut Transaction<'b, CountingDatabase>;

/// A publisher that writes a block, waits at the gate, and writes the rest, or panics.
async fn site(gate: &Gate, deadline: Option<Duration>) -> Site {
    let gate = gate.clone();
    let publisher = move |request: &Request, transaction: Tx<'_, '_>| {
        transaction.connection()?;
        let mut answer = transaction.answer_early(http::Response::new(()))?;
        answer.write_all(b"first ")?;
        gate.wait();
        assert!(request.uri().path() != "/panics", "past the first block");
        answer.write_all(b"second")?;
        Ok::<Response, euryale::Abort>(answer.finish())
    };
    let settings = |stack: Stack<CountingDatabase>| {
        stack
            .deadline(deadline)
            .release_point(|_| ReleasePoint::BodyEnd)
    };
    Site::with(Pool::new(CountingDatabase::new(), 1), settings, publisher).await
}

async fn first(site: &Site, path: &str) -> RawClient {
    let mut client = RawClient::connect(site.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send(head).await.unwrap();
    let until = client.read_until(b"first ").await.unwrap();
    assert!(until.starts_with(b"HTTP/1.1 200 OK\r\n"));
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_block_is_read_before_the_second_is_written() {
    let gate = Gate::new();
    let site = site(&gate, None).await;
    let mut client = first(&site, "/").await;
    eventually("it waits", || gate.waiting() == 1).await;
    gate.open();
    let rest = client.read_until(b"0\r\n\r\n").await.unwrap();
    assert!(rest.windows(6).any(|six| six == b"second"));
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_or_hang_past_the_first_block_is_never_a_clean_end() {
    for (path, deadline) in [
        ("/panics", None),
        ("/hangs", Some(Duration::from_millis(50))),
    ] {
        let gate = Gate::new();
        let site = site(&gate, deadline).await;
        let mut client = first(&site, path).await;
        if path == "/panics" {
            gate.open();
        }
        let rest = client.read_to_end().await.unwrap();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{path}");
        assert_eq!(site.ledger().early_answers.broken.get(), 1, "{path}");
        gate.open();
        site.end().await;
    }
}
