//! The program of README, with the requests of a browser.

use axum::Router;
use axum::routing::get;
use euryale::{Body, Pool, Response, Stack};
use euryale_sqlite::Sqlite;
use euryale_test::RawClient;

include!("first_program/app.rs");

#[tokio::test(flavor = "multi_thread")]
async fn each_page_is_counted_once() {
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(include_str!("first_program/app.rs")),
        "README has another program"
    );
    let folder = tempfile::tempdir().unwrap();
    let database = Sqlite::open(folder.path().join("guests.db")).unwrap();
    let migrated = database.migrate(&["CREATE TABLE visits (at TEXT NOT NULL)"]);
    migrated.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving =
        tokio::spawn(async move { axum::serve(listener, app(Pool::new(database, 2))).await });
    let mut browser = RawClient::connect(address).await.unwrap();
    for visitor in 1..=3 {
        let page = browser.get("/").await.unwrap();
        assert_eq!(page.text(), format!("You are visitor {visitor}.\n"));
        let icon = browser.get("/favicon.ico").await.unwrap();
        assert_eq!(icon.status, 404);
    }
    let live = browser.get("/live").await.unwrap();
    assert_eq!(live.text(), "needs no worker");
    serving.abort();
}
