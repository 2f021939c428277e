//! Tests of the application before and after its move.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::net::SocketAddr;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::time::Duration;

use axum::Router;
use euryale_connection::PoolBook;
use euryale_test::{H2Client, RawClient, assert_quiet, eventually, run_readme};
use rusqlite::Connection;
use tokio::net::TcpListener;

#[path = "../src/bin/after.rs"]
#[expect(dead_code, reason = "its main")]
mod after;
#[path = "../src/bin/before.rs"]
#[expect(dead_code, reason = "its main")]
mod before;

/// Serves for as long as the runtime lives.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

async fn post_link(address: SocketAddr) {
    let mut client = RawClient::connect(address).await.unwrap();
    let body = "{\"url\":\"https://example.org/\"}";
    let head = format!(
        "content-type: application/json\r\ncontent-length: {}",
        body.len()
    );
    client
        .send(format!(
            "POST / HTTP/1.1\r\nhost: test\r\n{head}\r\n\r\n{body}"
        ))
        .await
        .unwrap();
    assert_eq!(
        client.read_answer(false).await.unwrap().text(),
        "{\"code\":\"1\",\"url\":\"https://example.org/\"}"
    );
}

/// Holds the lock that every hit needs, so that each request that counts one holds a connection
/// until the lock is released.
fn busy(database: &Path) -> Connection {
    let holder = Connection::open(database).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

fn hits(database: &Path) -> i64 {
    let connection = Connection::open(database).unwrap();
    connection
        .query_row("SELECT count(*) FROM hit", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_describes_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let readme = include_str!("../README.md");
    let before = before::open(&folder.path().join("before.db"))
        .await
        .unwrap();
    run_readme(readme, serve(before::app(before)).await);
    let after = after::open(&folder.path().join("after.db")).await.unwrap();
    run_readme(readme, serve(after::app(after.clone())).await);
    assert_quiet(after.ledger()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_moved_application_keeps_its_cap_under_a_flood_of_resets() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("after.db");
    let pool = after::open(&database).await.unwrap();
    let address = serve(after::app(pool.clone())).await;
    post_link(address).await;
    let holder = busy(&database);
    let before = pool.ledger().of::<PoolBook>().publishers.seconds.count();
    let mut client = H2Client::connect(address).await.unwrap();
    for n in 1..=200 {
        let (response, stream) = client.open("/1").await.unwrap();
        eventually("it arrived", || {
            let status = pool.status();
            let ledger = pool.ledger();
            let ended = ledger.of::<PoolBook>().publishers.seconds.count() - before;
            (status.running + status.queued) as u64
                + ledger.of::<PoolBook>().queue.gone.get()
                + ended
                >= n
        })
        .await;
        H2Client::reset(stream);
        drop(response);
    }
    eventually("all have left the queue", || {
        pool.ledger().of::<PoolBook>().queue.gone.get() == 198
    })
    .await;
    assert_eq!((pool.status().running, pool.status().queued), (2, 0));
    drop(holder);
    assert_quiet(pool.ledger()).await;
    assert_eq!(pool.ledger().of::<PoolBook>().publishers.running.peak(), 2);
    assert_eq!(
        hits(&database),
        2,
        "who was cancelled in the queue never ran"
    );
}

/// The reason for the move: in the application before it, a dropped future returns its place while
/// its closure still runs.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_old_application_exceeds_its_cap_under_a_flood_of_resets() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("before.db");
    let pool = before::open(&database).await.unwrap();
    let address = serve(before::app(pool)).await;
    post_link(address).await;
    let holder = busy(&database);
    let mut client = H2Client::connect(address).await.unwrap();
    for _ in 0..200 {
        let (response, stream) = client.open("/1").await.unwrap();
        // The client gives up soon.
        let _ = tokio::time::timeout(Duration::from_millis(2), response).await;
        H2Client::reset(stream);
    }
    let opened = || open_files(&database) - 1;
    println!("deadpool: {} connections are open on a pool of 2", opened());
    eventually("there are more than two", || opened() > 2).await;
    drop(holder);
}

/// Returns how many descriptors of this file the process has open.
#[cfg(target_os = "linux")]
fn open_files(path: &Path) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets =
        descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok());
    targets.filter(|target| target == path).count()
}

#[test]
fn the_move_changes_less_than_thirty_lines() {
    let before = include_str!("../src/bin/before.rs");
    let after = include_str!("../src/bin/after.rs");
    assert!((170..=190).contains(&before.lines().count()));
    let changed = changed(
        &before.lines().collect::<Vec<_>>(),
        &after.lines().collect::<Vec<_>>(),
    );
    assert!(
        changed < 30,
        "{changed} lines, those that go and those that come"
    );
}

/// Returns the number of lines of both that are not in their longest common subsequence.
fn changed(before: &[&str], after: &[&str]) -> usize {
    let mut common = vec![0; after.len() + 1];
    for line in before {
        let mut diagonal = 0;
        for (at, other) in after.iter().enumerate() {
            let above = common[at + 1];
            common[at + 1] = if line == other {
                diagonal + 1
            } else {
                above.max(common[at])
            };
            diagonal = above;
        }
    }
    before.len() + after.len() - 2 * common[after.len()]
}
