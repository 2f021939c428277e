//! The cap, slow work, clients that leave, and a database that is gone.

use euryale::connection::PoolBook;
use euryale_test::eventually;

use super::{Site, header};

#[tokio::test(flavor = "multi_thread")]
async fn slow_work_ends_and_reports_its_duration() {
    let site = Site::start(2).await;
    for (path, text) in [
        ("/@@slow?ms=0", "worked for 0 ms\n"),
        ("/@@slow?other=x&ms=1", "worked for 1 ms\n"),
    ] {
        let answer = site.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, text)
        );
        assert_eq!(header(&answer, "cache-control"), "no-store");
    }
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_never_lift_the_cap() {
    let site = Site::start(1).await;
    for _ in 0..20 {
        let mut peer = site.peer().await;
        peer.send("GET /@@slow?ms=200 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        eventually("one is published", || {
            site.ledger.of::<PoolBook>().publishers.running.get() == 1
        })
        .await;
        drop(peer);
    }
    eventually("those that wait are gone", || {
        site.ledger.of::<PoolBook>().queue.depth.get() == 0
    })
    .await;
    assert_eq!(site.get("/").await.status, 200);
    assert_eq!(site.ledger.of::<PoolBook>().publishers.running.peak(), 1);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_database_is_answered_with_a_page_and_found_again() {
    let site = Site::start(2).await;
    assert_eq!(site.get("/").await.status, 200);
    let file = site.folder.path().join("site.db");
    let away = site.folder.path().join("away.db");
    std::fs::rename(&file, &away).unwrap();
    let page = site.browse("GET", "/").await;
    assert_eq!(
        (page.status.as_u16(), header(&page, "retry-after")),
        (503, "1")
    );
    assert!(
        page.text().contains("<h1>Service Unavailable</h1>"),
        "{}",
        page.text()
    );
    let problem = site.get("/").await;
    assert_eq!(header(&problem, "content-type"), "application/problem+json");
    std::fs::rename(&away, &file).unwrap();
    assert_eq!(site.get("/").await.status, 200);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_finds_no_folder_may_be_sent_again() {
    let site = Site::start(1).await;
    let blobs = site.folder.path().join("blobs");
    let away = site.folder.path().join("away");
    std::fs::rename(&blobs, &away).unwrap();
    let refused = site.upload("/", &[("a.txt", "small")]).await;
    assert_eq!(
        (refused.status.as_u16(), header(&refused, "retry-after")),
        (503, "1"),
        "{}",
        refused.text()
    );
    assert_eq!(site.get("/a.txt").await.status, 404);
    std::fs::rename(&away, &blobs).unwrap();
    assert_eq!(site.upload("/", &[("a.txt", "small")]).await.status, 201);
    site.end().await;
}
