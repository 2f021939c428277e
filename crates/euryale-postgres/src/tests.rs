mod conflict;
mod deadline;
mod lost;
mod open;
mod pooler;
mod schema;
mod settle;
#[cfg(feature = "tls")]
mod tls;
mod transaction;

use std::sync::Arc;

use euryale_core::transaction::{Access, Attempt, History, Outcome, TransactionOptions};
use euryale_core::{Abort, Database, Error, Transaction};
use euryale_test::Lender;
use euryale_test::engines::Postgres as Server;

use crate::{Connection, Postgres, PostgresBook};

const SCHEMA: &str = "CREATE TABLE counter (id int PRIMARY KEY, value int NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0);";

const READ: &str = "SELECT value FROM counter WHERE id = $1";
const INCREMENT: &str = "UPDATE counter SET value = value + 1 WHERE id = $1";

/// Creates a database on the shared server, with two counters at 0.
fn counters() -> Option<Postgres> {
    let server = Server::shared()?;
    let name = server.create_database();
    Some(counters_at(&server.url(&name)))
}

fn counters_at(url: &str) -> Postgres {
    let database = Postgres::open(url).unwrap();
    assert_eq!(database.migrate(&[SCHEMA]).unwrap(), 1);
    database
}

fn value(connection: &mut Connection, id: i32) -> Result<i32, crate::Error> {
    Ok(connection.query_one(READ, &[&id])?.get(0))
}

fn increment(connection: &mut Connection, id: i32) -> Result<u64, crate::Error> {
    connection.execute(INCREMENT, &[&id])
}

/// Returns the value of a counter, read on a separate connection.
fn committed(database: &Postgres, id: i32) -> i32 {
    value(&mut database.connect().unwrap(), id).unwrap()
}

/// A pool of one connection, on the thread of the test.
struct Worker {
    lender: Lender<Postgres>,
    book: Arc<PostgresBook>,
}

impl Worker {
    fn new(database: &Postgres) -> Self {
        let ledger = euryale_core::Ledger::new();
        Self {
            book: ledger.of(),
            lender: Lender::new(database.clone().ledger(&ledger)),
        }
    }

    /// Runs one transaction and checks that it leaves nothing behind.
    fn run<T>(
        &mut self,
        access: Access,
        f: impl FnOnce(&mut Transaction<'_, Postgres>) -> Result<T, Abort>,
    ) -> Result<T, Error> {
        let options = TransactionOptions::new(Attempt::new(History::default()), access);
        let result = Transaction::run(&mut self.lender.lease(), options, f);
        assert_eq!(self.lender.ledger().unsettled(), [""; 0]);
        result.map(|outcome| match outcome {
            Outcome::Committed(value) => value,
            other => panic!("not committed: {:?}", std::mem::discriminant(&other)),
        })
    }

    /// Like [`run`](Self::run), and checks that the connection can be used again.
    fn run_well<T>(
        &mut self,
        access: Access,
        f: impl FnOnce(&mut Transaction<'_, Postgres>) -> Result<T, Abort>,
    ) -> T {
        let value = self.run(access, f).unwrap();
        assert!(self.is_reusable());
        value
    }

    /// Does the check that a pool does after each job.
    fn is_reusable(&mut self) -> bool {
        let mut lease = self.lender.lease();
        let database = lease.database().clone();
        assert!(lease.is_connected());
        database.is_reusable(lease.connection().unwrap())
    }

    fn round_trips(&self) -> u64 {
        self.book.round_trips.get()
    }
}
