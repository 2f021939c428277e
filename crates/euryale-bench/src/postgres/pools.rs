//! The pools, each with the same two transactions.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use deadpool_postgres::{ManagerConfig, RecyclingMethod};
use euryale::Pool;
use euryale_postgres::Postgres;
use r2d2_postgres::PostgresConnectionManager;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_postgres::{IsolationLevel, NoTls};

use super::{Kind, READ, Run, Task, WRITE, drive, runtime};

type Measure = fn(&Task<'_>) -> Result<Run>;

/// Ours come first.
pub(super) const POOLS: [(&str, Measure); 5] = [
    ("euryale", |task| euryale(task, true)),
    ("euryale, no marks", |task| euryale(task, false)),
    ("deadpool-postgres", deadpool),
    ("r2d2_postgres, spawn_blocking", r2d2),
    ("sqlx", sqlx),
];

const ISOLATION: IsolationLevel = IsolationLevel::RepeatableRead;

fn euryale(task: &Task<'_>, marks: bool) -> Result<Run> {
    let kind = task.kind;
    let database = Postgres::open(task.url)?.settle(marks);
    let runtime = runtime()?;
    runtime.block_on(async {
        let pool = Pool::new(database, task.cap);
        let shared = pool.clone();
        let run = drive(task.time, move |id| {
            let pool = shared.clone();
            async move {
                match kind {
                    Kind::Read => {
                        pool.read(move |transaction| {
                            let connection = transaction.connection()?;
                            let row = connection.query_one(READ, &[&id])?;
                            Ok(row.get::<_, i32>(0))
                        })
                        .await?;
                    }
                    Kind::Write => {
                        pool.transaction(move |transaction| {
                            let connection = transaction.connection()?;
                            let row = connection.query_one(READ, &[&id])?;
                            connection.execute(WRITE, &[&id])?;
                            Ok(row.get::<_, i32>(0))
                        })
                        .await?;
                    }
                }
                Ok(())
            }
        })
        .await;
        pool.close(std::time::Duration::from_secs(5)).await?;
        run
    })
}

fn deadpool(task: &Task<'_>) -> Result<Run> {
    let kind = task.kind;
    let config = tokio_postgres::Config::from_str(task.url)?;
    let settings = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = deadpool_postgres::Manager::from_config(config, NoTls, settings);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(task.cap);
    let pool = pool.build()?;
    runtime()?.block_on(drive(task.time, move |id| {
        let pool = pool.clone();
        async move {
            let mut client = pool.get().await?;
            let begin = client.build_transaction().isolation_level(ISOLATION);
            let begin = begin.read_only(kind == Kind::Read);
            let transaction = begin.start().await?;
            let read = transaction.prepare_cached(READ).await?;
            let row = transaction.query_one(&read, &[&id]).await?;
            let _: i32 = row.get(0);
            if kind == Kind::Write {
                let write = transaction.prepare_cached(WRITE).await?;
                transaction.execute(&write, &[&id]).await?;
            }
            Ok(transaction.commit().await?)
        }
    }))
}

#[expect(clippy::disallowed_methods, reason = "this is what is compared")]
fn r2d2(task: &Task<'_>) -> Result<Run> {
    let kind = task.kind;
    let manager = PostgresConnectionManager::new(task.url.parse()?, NoTls);
    let pool = r2d2::Pool::builder()
        .max_size(u32::try_from(task.cap)?)
        .test_on_check_out(false)
        .build(manager)?;
    let shared = pool.clone();
    let runtime = runtime()?;
    let run = runtime.block_on(drive(task.time, move |id| {
        let pool = shared.clone();
        async move {
            let blocking = tokio::task::spawn_blocking(move || {
                let mut client = pool.get()?;
                let begin = client.build_transaction().isolation_level(ISOLATION);
                let begin = begin.read_only(kind == Kind::Read);
                let mut transaction = begin.start()?;
                let row = transaction.query_one(READ, &[&id])?;
                let _: i32 = row.get(0);
                if kind == Kind::Write {
                    transaction.execute(WRITE, &[&id])?;
                }
                anyhow::Ok(transaction.commit()?)
            });
            blocking.await?
        }
    }));
    // A client blocks when it is dropped, which a thread of the runtime must not.
    drop(runtime);
    drop(pool);
    run
}

fn sqlx(task: &Task<'_>) -> Result<Run> {
    let kind = task.kind;
    let options = PgConnectOptions::from_str(task.url)?;
    let cap = u32::try_from(task.cap)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let pool = PgPoolOptions::new()
            .max_connections(cap)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let shared = pool.clone();
        let run = drive(task.time, move |id| {
            let pool = shared.clone();
            async move {
                let begin = match kind {
                    Kind::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    Kind::Write => "BEGIN ISOLATION LEVEL REPEATABLE READ",
                };
                let mut transaction = pool.begin_with(begin).await?;
                let read = sqlx::query_scalar::<_, i32>(READ).bind(id);
                read.fetch_one(&mut *transaction).await?;
                if kind == Kind::Write {
                    let write = sqlx::query(WRITE).bind(id);
                    write.execute(&mut *transaction).await?;
                }
                transaction.commit().await.map_err(|error| anyhow!(error))
            }
        })
        .await;
        pool.close().await;
        run
    })
}
