//! The same publisher on r2d2 connections in our pool, and on our connections in another pool.

mod manager;
#[cfg(test)]
mod tests;
mod threads;

use std::error::Error;
use std::path::Path;

use axum::Router;
use euryale_connection::r2d2::R2d2;
use euryale_connection::{ConnectionLimitLayer, Pool};
use euryale_core::transaction::Publication;
use euryale_core::{Abort, Body, Ledger, Request, Response, Transaction};
use euryale_publisher::{ConflictPolicy, Publish};
use euryale_respond::RespondLayer;
use euryale_spool::SpoolLayer;
use euryale_sqlite::Sqlite;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower::retry::RetryLayer;

use self::manager::{Control, Manager};
use self::threads::Threads;

fn count(connection: &Connection) -> rusqlite::Result<Response> {
    let sql = "UPDATE total SET count = count + 1 RETURNING count";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(Body::from(format!("{count}\n")).into())
}

fn by_r2d2(
    _: &Request,
    transaction: &mut Transaction<'_, R2d2<Manager, Control>>,
) -> Result<Response, Abort> {
    Ok(count(transaction.connection()?.get()?)?)
}

fn by_threads(_: &Request, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
    Ok(count(transaction.connection()?)?)
}

fn app(path: &Path, ledger: &Ledger) -> Result<Router, Box<dyn Error>> {
    let sqlite = Sqlite::open(path)?;
    sqlite
        .migrate(&["CREATE TABLE total (count INTEGER NOT NULL); INSERT INTO total VALUES (0)"])?;
    let outside = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new().ledger(ledger.clone()))
        .layer(RetryLayer::new(
            ConflictPolicy::new().ledger(ledger.clone()),
        ));

    let r2d2 = R2d2::new(Manager(path.to_owned())).with_transactions(Control);
    let pool = Pool::builder(r2d2)
        .connections(2)
        .ledger(ledger.clone())
        .build();
    let by_r2d2 = outside
        .clone()
        .layer(ConnectionLimitLayer::new(pool))
        .service(Publish::new(by_r2d2));

    // A layer that gives each request a claim is all that is needed in place of `ConnectionLimit`.
    let threads = Threads::new(sqlite, 2, 64, ledger)?;
    let by_threads = outside
        .map_request(move |request: Request| Publication {
            request,
            claim: threads.clone(),
        })
        .service(Publish::new(by_threads));
    Ok(Router::new()
        .route_service("/r2d2", by_r2d2)
        .route_service("/threads", by_threads))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app("swap-pool.db".as_ref(), &Ledger::new())?).await?)
}
