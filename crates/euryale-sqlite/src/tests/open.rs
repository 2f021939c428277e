//! Tests of opening files that exist, are missing, or are not databases.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use euryale_core::error::UNAVAILABLE;

use super::*;
use crate::sqlite::PATIENCE;
use crate::{FileReplaced, OpenError, Synchronous};

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> T {
    connection
        .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        .unwrap()
}

#[test]
fn settings_apply_to_each_connection() {
    let (_folder, sqlite) = counter();
    let connection = sqlite.connect().unwrap();
    assert_eq!(pragma::<String>(&connection, "journal_mode"), "wal");
    assert_eq!(pragma::<i64>(&connection, "foreign_keys"), 1);
    assert_eq!(pragma::<i64>(&connection, "synchronous"), 2);
    assert_eq!(pragma::<i64>(&connection, "cache_size"), -8192);

    let sqlite = sqlite
        .busy_timeout(Duration::MAX)
        .cache_size(512)
        .synchronous(Synchronous::Normal)
        .on_connect(|raw| raw.execute_batch("CREATE TEMP TABLE seen (n); PRAGMA cache_size = -600"))
        .on_connect(|raw| raw.execute("INSERT INTO seen VALUES (1)", []).map(drop));
    for _ in 0..2 {
        let connection = sqlite.connect().unwrap();
        assert_eq!(pragma::<i64>(&connection, "synchronous"), 1);
        assert_eq!(
            pragma::<i64>(&connection, "busy_timeout"),
            i64::from(i32::MAX)
        );
        assert_eq!(
            pragma::<i64>(&connection, "cache_size"),
            -600,
            "hooks come last"
        );
    }
}

#[test]
fn a_hook_must_not_leave_wal_mode_or_a_transaction_open() {
    let (_folder, sqlite) = counter();
    let open = sqlite.clone().on_connect(|raw| raw.execute_batch("BEGIN"));
    assert_one_line(
        &*open.connect().unwrap_err(),
        "an on_connect hook left a transaction open",
    );
    let fails = sqlite.on_connect(|raw| raw.execute_batch("no SQL"));
    assert_one_line(&*fails.connect().unwrap_err(), "cannot be opened");
}

#[test]
fn only_open_creates_a_file() {
    let (folder, sqlite) = counter();
    let path = sqlite.path();
    let aside = folder.path().join("aside.db");
    fs::rename(path, &aside).unwrap();
    assert_one_line(
        &*sqlite.connect().unwrap_err(),
        "was the file moved or removed?",
    );
    assert!(!path.exists());
    fs::rename(&aside, path).unwrap();
    assert_eq!(value(&sqlite.connect().unwrap()), 0);
}

#[cfg(unix)]
#[test]
fn a_missing_file_is_detected_and_found_again() {
    let (folder, sqlite) = counter();
    let path = sqlite.path();
    let aside = folder.path().join("aside.db");
    let mut worker = Worker::new(&sqlite);
    let publish =
        |transaction: &mut Transaction<'_, Sqlite>| Ok(increment(transaction.connection()?)?);
    assert!(worker.run(Access::Write, publish).is_ok());

    fs::rename(path, &aside).unwrap();
    for expected in [
        "the file was moved, removed or replaced",
        "was the file moved or removed?",
    ] {
        let error = worker.run(Access::Write, publish).unwrap_err();
        assert_eq!(error.code(), UNAVAILABLE);
        let cause = error.source().and_then(StdError::source).unwrap();
        assert!(cause.to_string().contains(expected), "{cause}");
        assert!(worker.connection.is_none());
    }
    assert_eq!(worker.source.discarded, [DropReason::Begin]);

    // The log was merged into the file when the last connection was closed.
    fs::rename(&aside, path).unwrap();
    let next = worker.run(Access::Write, |transaction| {
        let connection = transaction.connection()?;
        increment(connection)?;
        Ok(value(connection))
    });
    assert!(matches!(next, Ok(Outcome::Committed(2))), "{next:?}");
}

#[test]
fn a_replaced_file_counts_as_disconnected() {
    let (folder, sqlite) = counter();
    let mut connection = sqlite.connect().unwrap();
    let other = folder.path().join("other.db");
    Sqlite::open(&other).unwrap().migrate(&[SCHEMA]).unwrap();
    fs::rename(&other, sqlite.path()).unwrap();
    let error = sqlite
        .begin(&mut connection, Access::Read.into())
        .unwrap_err();
    assert!(error.is::<FileReplaced>());
    assert_eq!(sqlite.classify(&*error), Fault::Disconnected);
}

#[test]
fn bad_paths_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(
        &text,
        "this is a text that somebody wrote into a file".repeat(100),
    )
    .unwrap();
    let cases = [
        (
            folder.path().join("no folder/site.db"),
            "its folder must exist and be writable",
        ),
        (
            folder.path().to_owned(),
            "its folder must exist and be writable",
        ),
        (text.clone(), "is not an SQLite database"),
        (":memory:".into(), "is not a file's path"),
        ("file:site.db?mode=memory".into(), "is not a file's path"),
        ("".into(), "is not a file's path"),
    ];
    for (path, expected) in cases {
        let error = Sqlite::open(&path).unwrap_err();
        assert_eq!(error.path(), path);
        assert_one_line(&error, expected);
    }
    assert!(
        fs::read_to_string(&text)
            .unwrap()
            .starts_with("this is a text")
    );
}

#[test]
fn the_first_connection_switches_an_older_file_to_wal_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(SCHEMA)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let sqlite = Sqlite::open(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    let connection = sqlite.connect().unwrap();
    assert_eq!(pragma::<String>(&connection, "journal_mode"), "wal");
    assert_eq!(value(&connection), 0);
}

#[test]
fn programs_that_open_a_new_file_together_all_get_it_in_wal_mode() {
    together(|_| {}, |path| drop(Sqlite::open(path).unwrap()));
}

#[test]
fn connections_that_meet_at_an_older_file_all_get_it_in_wal_mode() {
    together(older_file, |path| {
        let connection = Sqlite::open(path)
            .unwrap()
            .busy_timeout(PATIENCE)
            .connect()
            .unwrap();
        assert_eq!(pragma::<String>(&connection, "journal_mode"), "wal");
        assert_eq!(pragma::<String>(&connection, "locking_mode"), "normal");
        increment(&connection).unwrap();
    });
}

#[test]
fn programs_that_migrate_an_older_file_together_all_get_it_in_wal_mode() {
    let steps = ["CREATE TABLE note (text TEXT NOT NULL) STRICT"];
    together(older_file, |path| {
        Sqlite::open(path).unwrap().migrate(&steps).unwrap();
    });
}

fn older_file(path: &Path) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(SCHEMA)
        .unwrap();
}

/// Runs `meet` in several threads at once, on a path that `prepare` has set up. Repeats this,
/// because the race does not occur each time.
fn together(prepare: impl Fn(&Path), meet: impl Fn(&Path) + Sync) {
    const THREADS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..25)
        .map(|round| folder.path().join(format!("{round}.db")))
        .collect();
    for path in &paths {
        prepare(path);
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    meet(path);
                });
            }
        });
        let raw = rusqlite::Connection::open(path).unwrap();
        let mode: String = raw
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }
}

fn assert_one_line(error: &(dyn StdError + 'static), expected: &str) {
    let line = error.to_string();
    assert!(line.contains(expected) && !line.contains('\n'), "{line}");
}

#[test]
fn an_open_error_crosses_threads() {
    fn is_portable<E: StdError + Send + Sync + 'static>() {}
    is_portable::<OpenError>();
    is_portable::<crate::MigrateError>();
}
