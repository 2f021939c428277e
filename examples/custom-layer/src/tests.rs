use euryale_connection::PoolBook;
use euryale_test::{assert_quiet, run_readme};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let pool = crate::pool(folder.path().join("custom-layer.db")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, crate::app(pool.clone())).into_future());
    run_readme(include_str!("../README.md"), address);
    assert_eq!(
        pool.ledger().of::<PoolBook>().publishers.seconds.count(),
        3,
        "who has no key never came to a worker"
    );
    assert_quiet(pool.ledger()).await;
    serving.abort();
}
