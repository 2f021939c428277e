//! A connection as the result of a job: it stays with its worker, which gives it to the next.

use euryale::{Error, Pool};
use euryale_test::CountingDatabase;

async fn count(pool: Pool<CountingDatabase>) -> Result<u64, Error> {
    let connection = pool.run(|connection| connection).await?;
    Ok(connection.id())
}

fn main() {
    let _ = count;
}
