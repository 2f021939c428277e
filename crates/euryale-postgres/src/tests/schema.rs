//! Tests of migrations.

use std::sync::Arc;

use euryale_core::transaction::Access;
use euryale_core::{Database, Ledger};
use euryale_test::engines::Postgres as Server;

use crate::{MigrateError, Postgres, PostgresBook};

fn empty() -> Option<(Postgres, String)> {
    let server = Server::shared()?;
    let name = server.create_database();
    Some((Postgres::open(&server.url(&name)).unwrap(), name))
}

const FIRST: &str = "CREATE TABLE note (text text NOT NULL)";
const SECOND: &str = "INSERT INTO note VALUES ('hello')";

#[test]
fn each_step_is_applied_once_by_programs_that_start_together() {
    let Some((database, name)) = empty() else {
        return;
    };
    let behind: Vec<_> = std::thread::scope(|scope| {
        let programs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| database.migrate(&[FIRST, SECOND]).unwrap()))
            .collect();
        let programs = programs.into_iter();
        programs.map(|program| program.join().unwrap()).collect()
    });
    assert!(behind.contains(&2), "{behind:?}");
    let server = Server::shared().unwrap();
    assert_eq!(server.sql(&name, "SELECT count(*) FROM note"), "1");
    assert_eq!(database.migrate(&[FIRST, SECOND]).unwrap(), 0);
    assert_eq!(server.sql(&name, "SELECT version FROM euryale_schema"), "2");
}

#[test]
fn a_newer_schema_and_the_tables_of_others_are_refused_and_not_changed() {
    let Some((database, name)) = empty() else {
        return;
    };
    let server = Server::shared().unwrap();
    database.migrate(&[FIRST, SECOND]).unwrap();
    let error = database.migrate(&[FIRST]).unwrap_err();
    assert!(matches!(
        error,
        MigrateError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(
        error.to_string().contains("start a newer program"),
        "{error}"
    );

    let (other, foreign) = empty().unwrap();
    server.sql(&foreign, "CREATE TABLE objects (id int)");
    let error = other.migrate(&[FIRST]).unwrap_err();
    assert!(matches!(error, MigrateError::Foreign { .. }));
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.sql(&foreign, tables), "1");
    assert_eq!(server.sql(&name, "SELECT version FROM euryale_schema"), "2");
}

#[test]
fn a_step_that_fails_leaves_the_one_before() {
    let Some((database, name)) = empty() else {
        return;
    };
    let wrong = "INSERT INTO note VALUES ('lost'); INSERT INTO nowhere VALUES (1)";
    let error = database.migrate(&[FIRST, wrong]).unwrap_err();
    assert!(
        matches!(error, MigrateError::Step { step: 2, .. }),
        "{error:?}"
    );
    let server = Server::shared().unwrap();
    assert_eq!(server.sql(&name, "SELECT count(*) FROM note"), "0");
    assert_eq!(server.sql(&name, "SELECT version FROM euryale_schema"), "1");
    assert_eq!(database.migrate(&[FIRST, SECOND]).unwrap(), 1);
}

#[test]
fn a_database_that_others_migrate_gets_its_marks_when_asked() {
    let Some((database, name)) = empty() else {
        return;
    };
    let server = Server::shared().unwrap();
    server.sql(&name, FIRST);
    assert!(!database.state.has_marks());
    database.create_marks().unwrap();
    assert!(database.state.has_marks());
    let again = Postgres::open(&server.url(&name)).unwrap();
    assert!(again.state.has_marks());
    let mut connection = again.connect().unwrap();
    assert!(again.is_reusable(&mut connection));
}

#[test]
fn a_clone_with_a_separate_ledger_is_the_same_database() {
    let Some((database, _)) = empty() else {
        return;
    };
    let ledger = Ledger::new();
    let clone = database.clone().settle(false).ledger(&ledger);
    database.create_marks().unwrap();
    assert!(clone.state.has_marks());
    let mut connection = database.connect().unwrap();
    assert!(database.is_reusable(&mut connection));
    // A writer of the clone finds the server read-only.
    let mut writer = clone.connect().unwrap();
    clone.begin(&mut writer, Access::Write.into()).unwrap();
    writer
        .batch_execute("SET LOCAL transaction_read_only = on")
        .unwrap();
    writer
        .execute("CREATE TABLE note (text text)", &[])
        .unwrap_err();
    assert!(!database.is_reusable(&mut connection));
    let book: Arc<PostgresBook> = ledger.of();
    assert_eq!((book.opened.get(), book.demoted.get()), (1, 1));
}
