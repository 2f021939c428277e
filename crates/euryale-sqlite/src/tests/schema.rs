//! Tests of migrations.

use std::fs;

use super::*;
use crate::MigrateError;

const NOTES: &str = "CREATE TABLE note (text TEXT NOT NULL) STRICT;
    CREATE INDEX note_text ON note (text);";

fn tables(sqlite: &Sqlite) -> Vec<String> {
    let connection = sqlite.connect().unwrap();
    let mut select = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names = select.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[test]
fn missing_steps_are_applied_once() {
    let (_folder, sqlite) = counter();
    assert_eq!(sqlite.migrate(&[SCHEMA]).unwrap(), 0);
    assert_eq!(
        sqlite
            .migrate(&[SCHEMA, NOTES, "DROP TABLE counter"])
            .unwrap(),
        2
    );
    assert_eq!(tables(&sqlite), ["note"]);
    assert_eq!(
        sqlite
            .migrate(&[SCHEMA, NOTES, "DROP TABLE counter"])
            .unwrap(),
        0
    );
}

#[test]
fn a_newer_schema_is_refused_and_nothing_changed() {
    let (_folder, sqlite) = counter();
    sqlite.migrate(&[SCHEMA, NOTES]).unwrap();
    assert_refused(&sqlite, 2);
}

#[test]
fn a_newer_schema_is_not_even_switched_to_wal_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(&format!("{NOTES} PRAGMA user_version = 9"))
        .unwrap();
    drop(raw);
    assert_refused(&Sqlite::open(&path).unwrap(), 9);
}

#[test]
fn a_version_of_another_program_is_refused() {
    let (_folder, sqlite) = counter();
    sqlite
        .connect()
        .unwrap()
        .execute_batch("PRAGMA user_version = -5")
        .unwrap();
    assert_refused(&sqlite, -5);
}

fn assert_refused(sqlite: &Sqlite, version: i32) {
    let files = || {
        let entries = fs::read_dir(sqlite.path().parent().unwrap()).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let error = sqlite.migrate(&["CREATE TABLE mine (a)"]).unwrap_err();
    assert!(matches!(error, MigrateError::Newer { found, known: 1, .. } if found == version));
    assert_eq!(
        error.to_string(),
        format!(
            "database {}: its schema version is {version}, this program knows 1; \
             start a newer program or restore an older backup (nothing was changed)",
            sqlite.path().display()
        )
    );
    assert!(files() == before);
}

#[test]
fn a_failing_step_leaves_the_steps_before_it() {
    let (_folder, sqlite) = counter();
    let broken = "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1)";
    let error = sqlite.migrate(&[SCHEMA, NOTES, broken]).unwrap_err();
    assert!(matches!(error, MigrateError::Step { step: 3, .. }));
    assert!(
        error.to_string().contains("schema step 3 failed"),
        "{error}"
    );
    assert_eq!(tables(&sqlite), ["counter", "note"]);
    assert_eq!(
        sqlite
            .migrate(&[SCHEMA, NOTES, "CREATE TABLE whole (a)"])
            .unwrap(),
        1
    );
}

#[test]
fn a_step_cannot_commit_its_first_half() {
    let (_folder, sqlite) = counter();
    let steps = [
        SCHEMA,
        "CREATE TABLE half (a); COMMIT; CREATE TABLE other_half (a)",
    ];
    assert!(matches!(
        sqlite.migrate(&steps),
        Err(MigrateError::Step { step: 2, .. })
    ));
    let steps = [SCHEMA, "COMMIT; CREATE TABLE half (a)"];
    assert!(matches!(
        sqlite.migrate(&steps),
        Err(MigrateError::Step { step: 2, .. })
    ));
    assert_eq!(tables(&sqlite), ["counter"]);
}

#[test]
fn a_table_is_rebuilt_without_deleting_its_children() {
    let (_folder, sqlite) = counter();
    let child = "CREATE TABLE child (parent INTEGER REFERENCES counter ON DELETE CASCADE) STRICT;
        INSERT INTO child VALUES (1);";
    let rebuild =
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, name TEXT) STRICT;
        INSERT INTO anew SELECT id, value, NULL FROM counter;
        DROP TABLE counter;
        ALTER TABLE anew RENAME TO counter;";
    assert_eq!(sqlite.migrate(&[SCHEMA, child, rebuild]).unwrap(), 2);
    let connection = sqlite.connect().unwrap();
    let children: i64 = connection
        .query_row("SELECT count(*) FROM child", [], |row| row.get(0))
        .unwrap();
    assert_eq!(children, 1);

    let careless = "DELETE FROM counter";
    let error = sqlite
        .migrate(&[SCHEMA, child, rebuild, careless])
        .unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert_eq!(
        cause,
        "a row of table child refers to a row that does not exist"
    );
    assert_eq!(value(&connection), 0);
}

#[test]
fn programs_that_start_together_apply_each_step_once() {
    let (_folder, sqlite) = counter();
    let steps = [SCHEMA, NOTES, "INSERT INTO note VALUES ('once')"];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| sqlite.migrate(&steps).unwrap());
        }
    });
    let connection = sqlite.connect().unwrap();
    let notes: i64 = connection
        .query_row("SELECT count(*) FROM note", [], |row| row.get(0))
        .unwrap();
    assert_eq!(notes, 1);
}
