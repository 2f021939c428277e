//! A server whose disk is full.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use euryale::{Abort, Body, Ledger, Pool, Request, Response, Stack, StackService, Transaction};
use euryale_postgres::{Postgres, PostgresBook};
use euryale_test::engines::Postgres as Engine;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// A small file system in memory, on which a server keeps tables.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one. Returns `None` if this user may not; the test is then skipped visibly.
    fn mount(server: &Engine) -> Option<Self> {
        let folder = server.folder().join("small");
        std::fs::create_dir(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        let mounted = mount.arg(&folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            // Also in CI: nothing that could be installed is missing.
            let line = "SKIPPED: only root can mount a file system that is full soon";
            let _ = writeln!(std::io::stderr(), "{line}");
            return None;
        }
        let disk = Self(folder);
        server.own(&disk.0);
        let location = disk.0.display();
        let create = format!("CREATE TABLESPACE small LOCATION '{location}'");
        server.sql("postgres", &create);
        Some(disk)
    }

    /// Gives it this size.
    fn resize(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-o", &size]).arg(&self.0).status().unwrap();
        assert!(mounted.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The rows that a POST adds, of a kilobyte each.
const ROWS: i32 = 200;

const TABLE: &str = "CREATE TABLE note (text text NOT NULL) TABLESPACE small";

/// A POST adds rows; both methods answer with their number.
fn publisher(
    request: &Request,
    transaction: &mut Transaction<'_, Postgres>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    if request.method() == Method::POST {
        let add = "INSERT INTO note SELECT repeat('x', 1000) FROM generate_series(1, $1)";
        connection.execute(add, &[&ROWS])?;
    }
    let count = connection.query_one("SELECT count(*)::int FROM note", &[])?;
    let count: i32 = count.get(0);
    Ok(Response::new(Body::from(count.to_string())))
}

async fn ask(service: &StackService, method: Method) -> (StatusCode, String) {
    let request = http::Request::builder()
        .method(method)
        .body(String::new())
        .unwrap();
    let answer = service.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Adds rows until there is no room. Returns the number of all rows.
async fn fill(service: &StackService, mut count: i32) -> i32 {
    loop {
        let (status, text) = ask(service, Method::POST).await;
        if status == StatusCode::INSUFFICIENT_STORAGE {
            return count;
        }
        assert_eq!(status, StatusCode::OK, "{text}");
        count += ROWS;
        assert_eq!(text, count.to_string());
        assert!(count < 8000, "the disk has at most 4 MB");
    }
}

#[tokio::test]
async fn full_disk_refuses_writers_only_and_changes_nothing() {
    let Some(server) = Engine::start() else {
        return;
    };
    let Some(disk) = SmallDisk::mount(&server) else {
        return;
    };
    let ledger = Ledger::new();
    let database = Postgres::open(&server.url("postgres")).unwrap();
    let database = database.ledger(&ledger);
    database.migrate(&[TABLE]).unwrap();
    let pool = Pool::builder(database.clone())
        .connections(1)
        .ledger(ledger.clone())
        .build();
    let opened = ledger.of::<PostgresBook>().opened.get();
    let service = Stack::new(pool.clone()).publish(publisher);
    let mut count = 0;
    for megabytes in [2, 4] {
        disk.resize(megabytes);
        let before = count;
        count = fill(&service, count).await;
        assert!(count > before);
        let read = ask(&service, Method::GET).await;
        assert_eq!(read, (StatusCode::OK, count.to_string()));
        let step = "CREATE TABLE other TABLESPACE small AS SELECT * FROM note";
        let error = database.migrate(&[TABLE, step]).unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("free space on the server's disk") && !line.contains('\n'),
            "{line}"
        );
        let version = server.sql("postgres", "SELECT version FROM euryale_schema");
        assert_eq!(version, "1");
    }
    // One of the pool, and one of each migration.
    assert_eq!(ledger.of::<PostgresBook>().opened.get(), opened + 3);
    euryale_test::assert_quiet(&ledger).await;
    pool.close(Duration::from_secs(5)).await.unwrap();
}
