//! An order is confirmed by a task that the order's own transaction adds. The answer does not wait
//! for it, and no crash can lose it or run it twice.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use euryale::{Abort, Body, Pool, Request, Response, Stack, StackService, Transaction};
use euryale_sqlite::Sqlite;
use euryale_tasks::sqlite::{SCHEMA, SqliteTable};
use euryale_tasks::{Enqueue, Payload, Run, Task, Tasks};
use http::Method;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

const ORDERS: &str = "CREATE TABLE ordered (id INTEGER PRIMARY KEY, what TEXT, state TEXT)";

/// Confirms an order.
#[derive(Serialize, Deserialize)]
struct Confirm {
    order: i64,
}

impl Payload for Confirm {
    const KIND: &'static str = "confirm";
}

/// Runs in a transaction of its own. That the order is confirmed and that the task is done are one
/// commit.
fn confirm(
    task: &Task<'_, Sqlite, Confirm>,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<(), Abort> {
    let sql = "UPDATE ordered SET state = 'confirmed' WHERE id = ?1";
    transaction
        .connection()?
        .execute(sql, [task.payload.order])?;
    Ok(())
}

/// POST adds an order and its task, in one transaction. GET lists the orders.
fn orders(
    tasks: &Tasks<Sqlite>,
    request: &Request,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    if request.method() == Method::POST {
        let what = String::from_utf8(request.body().to_bytes()?.to_vec())?;
        let sql = "INSERT INTO ordered VALUES (NULL, ?1, 'new') RETURNING id";
        let connection = transaction.connection()?;
        let order = connection.query_row(sql, [&what], |row| row.get(0))?;
        tasks.add(transaction, &Confirm { order }, &Enqueue::new())?;
        return Ok(Response::new(Body::from(format!(
            "order {order}: {what}\n"
        ))));
    }
    let connection = transaction.connection()?;
    let mut select = connection.prepare_cached("SELECT id, what, state FROM ordered")?;
    let mut rows = select.query([])?;
    let mut page = String::new();
    while let Some(row) = rows.next()? {
        let (id, what, state): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        page += &format!("{id} {what} {state}\n");
    }
    Ok(Response::new(Body::from(page)))
}

/// Four connections, of which tasks use one at a time.
fn pool(path: &Path) -> Result<(Pool<Sqlite>, SqliteTable), Box<dyn Error>> {
    let database = Sqlite::open(path)?;
    database.migrate(&[SCHEMA, ORDERS])?;
    let table = SqliteTable::open(&database)?;
    Ok((
        Pool::builder(database)
            .connections(4)
            .lane("tasks", 1)
            .build(),
        table,
    ))
}

fn app(pool: &Pool<Sqlite>, table: SqliteTable) -> (Tasks<Sqlite>, StackService) {
    let lane = pool.lane("tasks").expect("the pool was built with it");
    let claims = {
        let pool = pool.clone();
        move || pool.claim().lane(lane)
    };
    let tasks = Tasks::builder(table, claims)
        .function(confirm)
        .ledger(pool.ledger().clone())
        .build();
    let adding = tasks.clone();
    let publisher = tasks.around(
        move |request: &Request, transaction: &mut Transaction<'_, Sqlite>| {
            orders(&adding, request, transaction)
        },
    );
    let site = Stack::new(pool.clone())
        .lane(lane, |request| Run::of(request.extensions()).is_some())
        .publisher(publisher);
    (tasks, site)
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let (pool, table) = pool(Path::new("tasks.db"))?;
    let (tasks, site) = app(&pool, table);
    euryale::runtime(pool.ledger())?.block_on(async {
        let runner = tasks.runner(site.internal()).start();
        let listener = TcpListener::bind("127.0.0.1:3000").await?;
        axum::serve(listener, Router::new().fallback_service(site))
            .with_graceful_shutdown(async {
                let _ = tokio::signal::ctrl_c().await;
            })
            .await?;
        runner.drain(Duration::from_secs(10)).await?;
        pool.close(Duration::from_secs(10)).await?;
        Ok(())
    })
}
