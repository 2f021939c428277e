//! A database that another program locks, and one whose file is missing for a while.

use std::path::Path;

use euryale_sqlite::rusqlite::Connection;

use super::{Running, ended, eventually, get, send};

pub(super) fn another_program(data: &Path) -> Connection {
    Connection::open(data.join("site.db")).unwrap()
}

/// The number of requests that were given up for this reason, after their retries.
fn reasons(said: &str, why: &str) -> usize {
    let given_up = said
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains("in every attempt"));
    given_up.filter(|line| line.contains(why)).count()
}

#[test]
fn migrate_makes_the_database_of_a_new_site() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let data = data.to_str().unwrap();
    let migrate = || {
        let output = ended(&["migrate", "--data", data]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(migrate().starts_with("Applied "));
    assert_eq!(migrate(), "The database has the newest schema.\n");
}

#[test]
fn readers_continue_while_another_program_writes() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");
    let other = another_program(folder.path());
    other
        .execute_batch("BEGIN IMMEDIATE; UPDATE counter SET value = 10")
        .unwrap();
    for _ in 0..2 {
        let answer = site.ask("POST", "/@@counter", "");
        assert!(answer.is_try_again(), "{answer:?}");
        // Not the home page, whose tiles use a second connection if one is free.
        assert_eq!(site.peer().get("/guides").unwrap().status, 200);
        assert_eq!(
            site.peer().get("/@@counter").unwrap().text().trim(),
            "1",
            "what was committed"
        );
    }
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(
        site.ask("POST", "/@@counter", "").text().trim(),
        "11",
        "without a restart"
    );
    assert_eq!(
        site.metric("euryale_connections_opened_total"),
        1,
        "its connection was sound all the time"
    );
    let said = site.end_well();
    assert_eq!(reasons(&said, "database is locked"), 2, "{said}");
}

/// A lock that also excludes readers, as old backup programs take it.
#[test]
fn exclusive_lock_of_another_program_is_answered_503() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    // No connection is open yet: in WAL mode a program gets this lock only if it is alone.
    let other = another_program(folder.path());
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    for (method, path) in [("GET", "/"), ("POST", "/@@counter")] {
        let answer = site.ask(method, path, "");
        assert!(answer.is_try_again(), "{answer:?}");
        assert!(
            !answer.text().contains("locked"),
            "the reason is the operator's: {}",
            answer.text()
        );
    }
    assert!(
        super::get(site.admin, "/livez")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    assert_eq!(
        site.peer().get("/").unwrap().status,
        200,
        "without a restart"
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");
    let said = site.end_well();
    assert_eq!(reasons(&said, "is locked by another program"), 2, "{said}");
}

#[test]
fn database_that_was_moved_away_is_found_again_with_all_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.db");
    let away = folder.path().join("away.db");
    let site = Running::start(folder.path(), &[]);
    // Committed, but still only in the log beside the file.
    assert_eq!(
        site.ask("POST", "/", "name=before&title=Before&body=moved")
            .status,
        201
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");
    std::fs::rename(&file, &away).unwrap();
    for (method, path) in [("GET", "/"), ("POST", "/@@counter"), ("GET", "/before")] {
        let answer = site.ask(method, path, "");
        assert!(answer.is_try_again(), "{answer:?}");
        assert!(!answer.text().contains("site.db"), "{}", answer.text());
    }
    assert!(!file.exists(), "none is made in its place");
    std::fs::rename(&away, &file).unwrap();
    assert!(
        site.peer().get("/before").unwrap().text().contains("moved"),
        "without a restart"
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "2");
    let said = site.end_well();
    let reasons: Vec<_> = said.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(reasons.len(), 3, "{said}");
    assert!(
        reasons[0].contains("the file was moved, removed or replaced"),
        "{said}"
    );
    assert!(
        reasons[1..]
            .iter()
            .all(|reason| reason.contains("was the file moved or removed?")),
        "{said}"
    );
    let check: String = another_program(folder.path())
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

/// The answer for a balancer is no while the database or the files are missing, and yes again when
/// they are back, even without a request in between.
#[test]
fn a_site_is_not_ready_while_its_data_is_away() {
    let around = tempfile::tempdir().unwrap();
    let data = around.path().join("data");
    let site = Running::start(&data, &[]);
    let is_ready = || {
        let answer = get(site.admin, "/readyz").unwrap();
        answer.starts_with("HTTP/1.1 200")
    };
    eventually("it is ready", is_ready);
    for name in ["", "site.db", "blobs"] {
        let place = data.join(name);
        let away = around.path().join("away");
        std::fs::rename(&place, &away).unwrap();
        eventually("it is not ready", || !is_ready());
        let live = get(site.admin, "/livez").unwrap();
        assert!(live.starts_with("HTTP/1.1 200"), "{live}");
        std::fs::rename(&away, &place).unwrap();
        eventually("it is ready again", is_ready);
    }
    // While every worker is busy, the data cannot be checked, but the question is still answered.
    let slow: Vec<_> = (0..2)
        .map(|_| send(site.public[0], "/@@slow?ms=60000").unwrap())
        .collect();
    eventually("every worker is busy", || {
        site.metric("euryale_publishers_running") == 2
    });
    std::fs::rename(data.join("site.db"), around.path().join("away")).unwrap();
    for _ in 0..3 {
        assert!(is_ready(), "as the last check found it");
    }
    std::fs::rename(around.path().join("away"), data.join("site.db")).unwrap();
    drop(slow);
    drop(site);
}

const ENDLESS: &str = "ALTER TABLE counter RENAME TO kept;
    CREATE VIEW counter AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT 1 AS id, count(*) AS value FROM n;";

/// From now on, every request for the counter runs a query that never ends.
pub(super) fn make_endless(data: &Path) {
    another_program(data).execute_batch(ENDLESS).unwrap();
}

#[test]
fn endless_publication_is_stopped_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(
        folder.path(),
        &["--publish-deadline=300ms", "--connections=1"],
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");
    make_endless(folder.path());
    for method in ["GET", "POST"] {
        assert_eq!(site.ask(method, "/@@counter", "").status, 504, "{method}");
    }
    another_program(folder.path())
        .execute_batch("DROP VIEW counter; ALTER TABLE kept RENAME TO counter")
        .unwrap();
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "2");
    assert_eq!(
        site.metric("euryale_transactions_stopped_total{reason=\"deadline\"}"),
        2
    );
    assert_eq!(
        site.metric("euryale_connections_opened_total"),
        1,
        "its connection was sound all the time"
    );
    let said = site.end_well();
    assert!(!said.contains("ERROR"), "{said}");
}
