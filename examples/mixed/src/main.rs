//! An application of asynchronous handlers and publishers. Everything that uses the database shares
//! one cap; health checks do not need the database.

use std::error::Error;
use std::path::Path;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
use euryale_sqlite::Sqlite;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[cfg(test)]
mod tests;

#[derive(Clone)]
struct App {
    pool: Pool<Sqlite>,
    latest: watch::Sender<String>,
}

impl FromRef<App> for Pool<Sqlite> {
    fn from_ref(app: &App) -> Self {
        app.pool.clone()
    }
}

/// A publisher: one request, one connection, one transaction.
fn notes(_: &Request, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
    let mut notes = transaction
        .connection()?
        .prepare_cached("SELECT text FROM note ORDER BY rowid")?;
    let texts: Vec<String> = notes
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(Body::from(texts.join("\n") + "\n").into())
}

/// An asynchronous handler with one transaction in the middle.
async fn add(State(app): State<App>, text: String) -> Result<StatusCode, Abort> {
    let kept = text.clone();
    let insert = "INSERT INTO note VALUES (?1)";
    app.pool
        .transaction(move |transaction| Ok(transaction.connection()?.execute(insert, [&kept])?))
        .await?;
    app.latest.send_replace(text);
    Ok(StatusCode::CREATED)
}

/// An asynchronous handler without a connection.
async fn latest(State(app): State<App>) -> String {
    app.latest.borrow().clone() + "\n"
}

/// Reports the state of the pool without waiting in its queue, so it answers even while every
/// worker is stuck.
async fn ready(State(pool): State<Pool<Sqlite>>) -> (StatusCode, String) {
    let status = pool.status();
    let is_ready = status.queued < 100;
    let code = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        format!(
            "{} of {} run, {} wait\n",
            status.running, status.cap, status.queued
        ),
    )
}

fn app(pool: Pool<Sqlite>) -> Router {
    let state = App {
        pool: pool.clone(),
        latest: watch::Sender::new("none yet".to_owned()),
    };
    Router::new()
        .route("/livez", get(|| async { "live\n" }))
        .route("/readyz", get(ready))
        .route("/latest", get(latest))
        .route("/add", post(add))
        .with_state(state)
        .fallback_service(Stack::new(pool).publish(notes))
}

fn pool(path: impl AsRef<Path>) -> Result<Pool<Sqlite>, Box<dyn Error>> {
    let database = Sqlite::open(path)?;
    database.migrate(&["CREATE TABLE note (text TEXT NOT NULL)"])?;
    Ok(Pool::new(database, 2))
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = pool("mixed.db")?;
    let ledger = pool.ledger().clone();
    let app = app(pool);
    euryale::runtime(&ledger)?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:3000").await?;
        Ok(axum::serve(listener, app).await?)
    })
}
