//! The layers with only hyper and tower.

use std::error::Error;
use std::io::{self, Read};
use std::path::Path;

use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::{Abort, Body, Request, Response, Transaction};
use euryale_publisher::{ConflictPolicy, Publish};
use euryale_respond::RespondLayer;
use euryale_spool::SpoolLayer;
use euryale_sqlite::Sqlite;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower::retry::RetryLayer;

#[cfg(test)]
mod tests;

fn guests(request: &Request, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
    let mut name = String::new();
    request.body().clone().read_to_string(&mut name)?; // it is all there
    let connection = transaction.connection()?;
    if !name.is_empty() {
        connection.execute("INSERT INTO guest VALUES (?1)", [name])?;
    }
    let sql = "SELECT coalesce(group_concat(name, ', '), 'nobody') FROM guest";
    let names: String = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(Response::new(Body::from(names + "\n")))
}

async fn serve(listener: TcpListener, pool: Pool<Sqlite>) -> io::Result<()> {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new().limit(1024).admit(pool.clone()))
        .layer(RetryLayer::new(ConflictPolicy::new()))
        .layer(ConnectionLimitLayer::new(pool))
        .service(Publish::new(guests));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
    }
}

fn pool(path: impl AsRef<Path>) -> Result<Pool<Sqlite>, Box<dyn Error>> {
    let database = Sqlite::open(path)?;
    database.migrate(&["CREATE TABLE guest (name TEXT NOT NULL)"])?;
    Ok(Pool::new(database, 2))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Ok(serve(
        TcpListener::bind("127.0.0.1:3000").await?,
        pool("bare-tower.db")?,
    )
    .await?)
}
