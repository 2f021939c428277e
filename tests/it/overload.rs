//! More requests than there is room for.

use std::process::Command;

use euryale::Pool;
use euryale::connection::PoolBook;
use euryale_server::ServerBook;
use euryale_test::{CountingDatabase, RawClient, ScriptedPublisher, eventually};
use euryale_tests::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overflow_is_answered_at_once() {
    let publisher = ScriptedPublisher::new();
    let gate = publisher.gate().clone();
    let pool = Pool::builder(CountingDatabase::new())
        .connections(1)
        .max_queue(2)
        .build();
    let site = Site::with(pool, |stack| stack, publisher).await;
    let mut served = Vec::new();
    for n in 1..=3 {
        let mut client = RawClient::connect(site.address).await.unwrap();
        client
            .send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        eventually("it arrived", || site.arrived() == n).await;
        served.push(client);
    }
    let head = &site.ledger().of::<ServerBook>().response_head_seconds;
    assert_eq!(head.count(), 0);
    let mut refused = RawClient::connect(site.address).await.unwrap();
    for _ in 0..100 {
        let answer = refused.get("/").await.unwrap();
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.headers["retry-after"].to_str().unwrap()
            ),
            (503, "1")
        );
    }
    // A body that would be discarded is not received.
    let answer = refused.post("/", b"upload").await.unwrap();
    assert_eq!(answer.status, 503);
    let within_5_ms = head
        .cumulative()
        .find(|(bound, _)| *bound == 0.005)
        .unwrap()
        .1;
    assert!(
        within_5_ms >= 100,
        "{within_5_ms} of {} within 5 ms, head parsed to head written",
        head.count()
    );
    assert_eq!(site.ledger().of::<PoolBook>().queue.full.get(), 101);
    gate.open();
    for mut client in served {
        assert_eq!(client.read_answer(false).await.unwrap().text(), "1");
    }
    drop(refused);
    site.end().await;
}

#[test]
fn a_hundred_thousand_cancels_leave_memory_as_it_was() {
    let output = Command::new(env!("CARGO_BIN_EXE_cancels"))
        .arg("100000")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let grew: u64 = text.trim().strip_prefix("grew ").unwrap().parse().unwrap();
    assert!(grew < 1 << 20, "resident memory grew by {grew} bytes");
}
