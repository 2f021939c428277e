//! Rows as the result of a job: they read from a connection that somebody else has by then. Collect
//! them.

use euryale::{Error, Pool};
use euryale_test::{Connection, CountingDatabase};

/// Stands for rusqlite's and everybody's.
struct Rows<'c>(&'c mut Connection);

async fn first(pool: Pool<CountingDatabase>) -> Result<u64, Error> {
    let rows = pool.run(|connection| Rows(connection)).await?;
    Ok(rows.0.id())
}

fn main() {
    let _ = first;
}
