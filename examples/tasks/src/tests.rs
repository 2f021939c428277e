use std::time::Duration;

use axum::Router;
use euryale_test::{assert_quiet, eventually, run_readme};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let (pool, table) = crate::pool(&folder.path().join("tasks.db")).unwrap();
    let (tasks, site) = crate::app(&pool, table);
    let runner = tasks.runner(site.internal()).start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback_service(site);
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    run_readme(include_str!("../README.md"), address);
    let book = pool.ledger().of::<euryale_tasks::TaskBook>();
    eventually("the task is done", || book.done.get() == 1).await;
    let confirmed = pool.read(|transaction| {
        let count = "SELECT count(*) FROM ordered WHERE state = 'confirmed'";
        Ok(transaction
            .connection()?
            .query_row(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(confirmed.await.unwrap(), 1);
    serving.abort();
    runner.drain(Duration::from_secs(10)).await.unwrap();
    assert_quiet(pool.ledger()).await;
}
