use euryale::Pool;
use euryale::connection::PoolBook;
use euryale_sqlite::Sqlite;
use euryale_test::{Gate, RawClient, assert_quiet, eventually, run_readme};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Serves for as long as the runtime lives.
async fn start() -> (std::net::SocketAddr, Pool<Sqlite>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pool = crate::pool(folder.path().join("mixed.db")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, crate::app(pool.clone())).into_future());
    (address, pool, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let (address, pool, _folder) = start().await;
    run_readme(include_str!("../README.md"), address);
    assert_quiet(pool.ledger()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_and_publishers_share_one_cap_and_health_checks_need_none() {
    let (address, pool, _folder) = start().await;
    let gate = Gate::new();
    let stuck: Vec<_> = std::iter::repeat_with(|| {
        let gate = gate.clone();
        tokio::spawn(pool.run(move |_| gate.wait()))
    })
    .take(2)
    .collect();
    eventually("both workers are stuck", || gate.waiting() == 2).await;
    let mut waiting = RawClient::connect(address).await.unwrap();
    waiting
        .send("GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("the publisher waits", || pool.status().queued == 1).await;

    let mut client = RawClient::connect(address).await.unwrap();
    assert_eq!(client.get("/livez").await.unwrap().text(), "live\n");
    assert_eq!(client.get("/latest").await.unwrap().text(), "none yet\n");
    assert_eq!(
        client.get("/readyz").await.unwrap().text(),
        "2 of 2 run, 1 wait\n"
    );

    gate.open();
    assert_eq!(waiting.read_answer(false).await.unwrap().text(), "\n");
    for job in stuck {
        job.await.unwrap().unwrap();
    }
    assert_eq!(pool.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    assert_quiet(pool.ledger()).await;
}
