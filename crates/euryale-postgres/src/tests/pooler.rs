//! Tests with PgBouncer in transaction mode, where sessions change between transactions.

use std::time::{Duration, Instant};

use euryale_core::error::CONFLICT;
use euryale_core::transaction::Access;
use euryale_test::engines::{PgBouncer, Postgres as Server};

use super::{Worker, committed, counters_at, increment, value};
use crate::Postgres;

const CLIENTS: u64 = 50;

/// Returns the number of transactions: a tenth of the full number, which
/// `EURYALE_TRANSACTIONS=10000` runs.
fn transactions() -> u64 {
    let number = std::env::var("EURYALE_TRANSACTIONS").ok();
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or(1000)
}

/// Runs one client. Returns the number of its writes.
fn client(database: &Postgres, number: u64) -> i32 {
    let mut worker = Worker::new(database);
    let mut written = 0;
    for turn in 0..transactions() / CLIENTS {
        // Every second client has a deadline, whose setting the others must not see.
        let has_deadline = number.is_multiple_of(2);
        let deadline = has_deadline.then(|| Instant::now() + Duration::from_secs(60));
        worker.lender.next_job(deadline);
        if turn % 4 != 0 {
            worker.run_well(Access::Read, |transaction| {
                let connection = transaction.connection()?;
                value(connection, 1)?;
                let row = connection.query_one("SHOW statement_timeout", &[])?;
                let timeout: String = row.get(0);
                assert_eq!(timeout != "0", has_deadline, "{timeout}");
                Ok(())
            });
            continue;
        }
        loop {
            let result = worker.run(Access::Write, |transaction| {
                Ok(increment(transaction.connection()?, 1)?)
            });
            match result {
                Ok(_) => break,
                Err(error) => assert_eq!(error.code(), CONFLICT, "{error:?}"),
            }
        }
        written += 1;
    }
    written
}

#[test]
fn fifty_clients_share_two_sessions_and_see_nothing_of_each_other() {
    let Some(server) = Server::shared() else {
        return;
    };
    let name = server.create_database();
    let direct = counters_at(&server.url(&name));
    let Some(bouncer) = PgBouncer::start(server, 2) else {
        return;
    };
    let url = format!("{}?pooler=transaction", bouncer.url(&name));
    let database = Postgres::open(&url).unwrap();
    let written: i32 = std::thread::scope(|scope| {
        let database = &database;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(database, number)))
            .collect();
        let clients = clients.into_iter();
        clients.map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(committed(&direct, 1), written);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'euryale' AND client_addr IS NULL";
    let mut connection = direct.open_connection().unwrap();
    let sessions: i64 = connection.query_one(sessions, &[]).unwrap().get(0);
    assert!(sessions <= 3, "two of the pooler and this one: {sessions}");
    // Statements that were used outside a transaction have left no name either.
    let mut client = database.open_connection().unwrap();
    for _ in 0..4 {
        let row = client.query_one("SELECT count(*) FROM pg_prepared_statements", &[]);
        assert_eq!(row.unwrap().get::<_, i64>(0), 0);
    }
}
