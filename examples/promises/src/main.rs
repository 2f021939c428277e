//! A publisher that needs the answers of other services, and holds neither a worker nor a
//! connection while they are fetched.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use euryale::promise::{Key, PromisesExt};
use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
use euryale_sqlite::Sqlite;
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

const DEGREES: Key<usize> = Key::new("degrees");

/// Runs twice: the first pass asks for the answers, and the second pass has them.
fn forecast(
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let mut towns = transaction
        .connection()?
        .prepare_cached("SELECT name FROM town ORDER BY name")?;
    let towns: Vec<String> = towns
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let promises = request.promises();
    let ask = |town: &String| {
        let key = DEGREES.with(town);
        let town = town.clone();
        promises.ask(key, || degrees(town))
    };
    let answers = promises.all(towns.iter().map(ask))?;
    let mut page = String::new();
    for (town, degrees) in towns.iter().zip(answers) {
        page += &format!("{town} {}\n", degrees?);
    }
    Ok(Response::new(Body::from(page)))
}

/// A stand-in for a service that takes 300 ms to answer.
async fn degrees(town: String) -> Result<usize, Infallible> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(town.len() * 3)
}

fn pool(path: impl AsRef<Path>) -> Result<Pool<Sqlite>, Box<dyn Error>> {
    let towns = "CREATE TABLE town (name TEXT NOT NULL);
        INSERT INTO town VALUES ('Athens'), ('Cusco'), ('Oslo')";
    let database = Sqlite::open(path)?;
    database.migrate(&[towns])?;
    Ok(Pool::new(database, 2))
}

fn app(pool: Pool<Sqlite>) -> Router {
    Router::new().fallback_service(Stack::new(pool).publish(forecast))
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = pool("promises.db")?;
    let ledger = pool.ledger().clone();
    let app = app(pool);
    euryale::runtime(&ledger)?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:3000").await?;
        Ok(axum::serve(listener, app).await?)
    })
}
