//! A read transaction: begin, one row, commit.

use std::hint::black_box;

use criterion::Criterion;
use euryale_core::transaction::Access;
use euryale_core::{BoxError, Database};
use euryale_sqlite::{Connection, Sqlite};
use euryale_test::bench_main;
use tempfile::TempDir;

const ROWS: &str = "CREATE TABLE rows (id INTEGER PRIMARY KEY, word TEXT NOT NULL);
                    WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < \
                    1000)
                    INSERT INTO rows SELECT id, 'hello' FROM n";

fn row(database: &Sqlite, connection: &mut Connection) -> Result<String, BoxError> {
    database.begin(connection, Access::Read.into())?;
    let word = connection
        .prepare_cached("SELECT word FROM rows WHERE id = ?1")?
        .query_row([500], |row| row.get(0))?;
    database.commit(connection)?;
    Ok(word)
}

fn reads(criterion: &mut Criterion) {
    let folder = TempDir::new().expect("a folder");
    let database = Sqlite::open(folder.path().join("rows.db")).expect("a database");
    database.migrate(&[ROWS]).expect("rows");
    let mut connection = database.connect().expect("a connection");
    criterion.bench_function("read transaction", |bencher| {
        bencher.iter(|| black_box(row(&database, &mut connection).expect("a row")));
    });
}

const SCAN: &str = "SELECT count(*) FROM rows AS a, rows AS b WHERE b.id <= 200 AND a.id <> b.id";

/// A query of many steps: what it costs that it can be stopped.
fn scans(criterion: &mut Criterion) {
    let folder = TempDir::new().expect("a folder");
    let database = Sqlite::open(folder.path().join("rows.db")).expect("a database");
    database.migrate(&[ROWS]).expect("rows");
    let connection = &mut database.connect().expect("a connection");
    for name in ["with the handler", "without"] {
        criterion.bench_function(&format!("200,000 rows, {name}"), |bencher| {
            let mut scan = connection.prepare_cached(SCAN).expect("a query");
            bencher.iter(|| {
                let rows: i64 = scan.query_row([], |row| row.get(0)).expect("a number");
                black_box(rows)
            });
        });
        connection
            .progress_handler(0, None::<fn() -> bool>)
            .expect("no handler");
    }
}

bench_main!(reads, scans);
