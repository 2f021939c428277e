//! Your own layer between the library's layers, which identifies the caller before a worker is
//! used.

mod key;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;

use axum::Router;
use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::{Abort, Body, OrAbort, Request, Response, Transaction};
use euryale_publisher::Publish;
use euryale_respond::RespondLayer;
use euryale_spool::SpoolLayer;
use euryale_sqlite::Sqlite;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

use self::key::{ApiKeyLayer, User};

fn note(request: &Request, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
    let User(name) = request
        .extensions()
        .get()
        .ok_or("no ApiKeyLayer")
        .or_abort()?;
    let text = String::from_utf8(request.body().to_bytes()?.into())?;
    let connection = transaction.connection()?;
    connection.execute("INSERT INTO note VALUES (?1, ?2)", [&**name, &text])?;
    let sql = "SELECT count(*) FROM note WHERE user = ?1";
    let notes: i64 = connection.query_row(sql, [&**name], |row| row.get(0))?;
    Ok(Response::new(Body::from(format!("{name} has {notes}\n"))))
}

fn app(pool: Pool<Sqlite>) -> Router {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(ApiKeyLayer::new([("4711", "Euryale"), ("0815", "Stheno")]))
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(pool))
        .service(Publish::new(note));
    Router::new().route_service("/note", service)
}

fn pool(path: impl AsRef<Path>) -> Result<Pool<Sqlite>, Box<dyn Error>> {
    let database = Sqlite::open(path)?;
    database.migrate(&["CREATE TABLE note (user TEXT NOT NULL, text TEXT NOT NULL)"])?;
    Ok(Pool::new(database, 2))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(pool("custom-layer.db")?)).await?)
}
