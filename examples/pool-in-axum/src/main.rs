//! An axum handler that runs on a connection of the pool. Two run at a time, and the others wait in
//! the pool's queue.

use std::error::Error;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use euryale_connection::Pool;
use euryale_core::Abort;
use euryale_sqlite::Sqlite;
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

async fn add(State(pool): State<Pool<Sqlite>>, Path(amount): Path<i64>) -> Result<String, Abort> {
    let sql = "UPDATE total SET sum = sum + ?1 RETURNING sum";
    let sum: i64 = pool
        .run(move |connection| connection.query_row(sql, [amount], |row| row.get(0)))
        .await??;
    Ok(format!("{sum}\n"))
}

fn app(pool: Pool<Sqlite>) -> Router {
    Router::new()
        .route("/add/{amount}", post(add))
        .with_state(pool)
}

fn database(path: impl AsRef<std::path::Path>) -> Result<Sqlite, Box<dyn Error>> {
    let database = Sqlite::open(path)?;
    database.migrate(&[
        "CREATE TABLE total (sum INTEGER NOT NULL)",
        "INSERT INTO total VALUES (0)",
    ])?;
    Ok(database)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init(); // why something was answered 500
    let pool = Pool::new(database("pool-in-axum.db")?, 2);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(pool)).await?)
}
