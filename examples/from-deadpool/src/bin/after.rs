//! A link shortener on axum and SQLite, with three routes.
//!
//! `POST /` takes `{"url": "…"}` and answers with a code, `GET /{code}` redirects and counts, `GET
//! /{code}/hits` returns the count.

use std::error::Error;
use std::path::Path as FilePath;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use euryale_sqlite::Sqlite;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

type Pool = euryale_connection::Pool<Sqlite>;
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS link (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS hit (
        link INTEGER NOT NULL REFERENCES link,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS hits ON hit (link);";

#[derive(Deserialize)]
struct NewLink {
    url: String,
}

#[derive(Serialize)]
struct Link {
    code: String,
    url: String,
}

#[derive(Serialize)]
struct Hits {
    hits: i64,
    last: Option<i64>,
}

async fn shorten(
    State(pool): State<Pool>,
    Json(new): Json<NewLink>,
) -> Result<(StatusCode, Json<Link>), AppError> {
    if !new.url.starts_with("https://") && !new.url.starts_with("http://") {
        return Err(AppError::BadRequest("only links of http and https"));
    }
    let link = pool.run(move |c| add_link(c, new.url)).await??;
    Ok((StatusCode::CREATED, Json(link)))
}

async fn follow(State(pool): State<Pool>, Path(code): Path<String>) -> Result<Redirect, AppError> {
    let id = decode(&code)?;
    let url = pool.run(move |c| count_hit(c, id)).await??;
    Ok(Redirect::temporary(&url.ok_or(AppError::NotFound)?))
}

async fn hits(State(pool): State<Pool>, Path(code): Path<String>) -> Result<Json<Hits>, AppError> {
    let id = decode(&code)?;
    let hits = pool.run(move |c| hits_of(c, id)).await??;
    hits.map(Json).ok_or(AppError::NotFound)
}

fn add_link(connection: &mut Connection, url: String) -> rusqlite::Result<Link> {
    let known = "SELECT id FROM link WHERE url = ?1";
    let transaction = connection.transaction()?;
    let id: Option<i64> = transaction
        .query_row(known, [&url], |row| row.get(0))
        .optional()?;
    let id = match id {
        Some(id) => id,
        None => {
            transaction.execute(
                "INSERT INTO link (url, created) VALUES (?1, ?2)",
                (&url, now()),
            )?;
            transaction.last_insert_rowid()
        }
    };
    transaction.commit()?;
    Ok(Link {
        code: encode(id),
        url,
    })
}

fn count_hit(connection: &mut Connection, id: i64) -> rusqlite::Result<Option<String>> {
    let insert = "INSERT INTO hit SELECT id, ?2 FROM link WHERE id = ?1";
    if connection.execute(insert, (id, now()))? == 0 {
        return Ok(None);
    }
    connection
        .query_row("SELECT url FROM link WHERE id = ?1", [id], |row| row.get(0))
        .map(Some)
}

fn hits_of(connection: &mut Connection, id: i64) -> rusqlite::Result<Option<Hits>> {
    let sql =
        "SELECT count(at), max(at) FROM link LEFT JOIN hit ON link = id WHERE id = ?1 GROUP BY id";
    let hits = |row: &rusqlite::Row<'_>| {
        Ok(Hits {
            hits: row.get(0)?,
            last: row.get(1)?,
        })
    };
    connection.query_row(sql, [id], hits).optional()
}

fn encode(id: i64) -> String {
    format!("{id:x}")
}

fn decode(code: &str) -> Result<i64, AppError> {
    i64::from_str_radix(code, 16).map_err(|_| AppError::NotFound)
}

/// Returns the seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

enum AppError {
    NotFound,
    BadRequest(&'static str),
    Internal(euryale_core::BoxError),
}

impl<E: Error + Send + Sync + 'static> From<E> for AppError {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, why).into_response(),
            Self::Internal(error) => euryale_core::Error::from(error).into_response(),
        }
    }
}

pub(crate) async fn open(path: &FilePath) -> Result<Pool, Box<dyn Error>> {
    let wait = std::time::Duration::from_secs(5);
    let pool = Pool::new(Sqlite::open(path)?.busy_timeout(wait), 2);
    pool.run(|c| c.execute_batch(SCHEMA)).await??;
    Ok(pool)
}

pub(crate) fn app(pool: Pool) -> Router {
    Router::new()
        .route("/", post(shorten))
        .route("/{code}", get(follow))
        .route("/{code}/hits", get(hits))
        .with_state(pool)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let pool = open("from-deadpool.db".as_ref()).await?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app(pool)).await?;
    Ok(())
}
