//! A publisher that does its own routing with matchit, the crate on which axum's router is built.

use std::error::Error;
use std::path::Path;

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, StatusCode};
use euryale::{Abort, Body, OrStatus, Pool, Publisher, Request, Response, Stack, Transaction};
use euryale_sqlite::Sqlite;
use matchit::Params;
use tokio::net::TcpListener;

#[cfg(test)]
mod tests;

type View = fn(&Request, &Params<'_, '_>, &mut Transaction<'_, Sqlite>) -> Result<Response, Abort>;

struct Routes(matchit::Router<View>);

impl Publisher<Sqlite> for Routes {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Response, Abort> {
        match self.0.at(request.uri().path()) {
            Ok(found) => (found.value)(request, &found.params, transaction),
            Err(_) => Err(Abort::status(StatusCode::NOT_FOUND)),
        }
    }
}

fn routes() -> Result<Routes, matchit::InsertError> {
    let mut routes = matchit::Router::new();
    routes.insert("/", index as View)?;
    routes.insert("/page/{name}", page as View)?;
    Ok(Routes(routes))
}

fn index(
    _: &Request,
    _: &Params<'_, '_>,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let mut pages = transaction
        .connection()?
        .prepare_cached("SELECT name FROM page ORDER BY name")?;
    let names: Vec<String> = pages
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(Body::from(names.join("\n") + "\n").into())
}

fn page(
    request: &Request,
    at: &Params<'_, '_>,
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<Response, Abort> {
    let name = at.get("name").unwrap_or_default();
    match *request.method() {
        Method::PUT => {
            let text = String::from_utf8(request.body().to_bytes()?.into())?;
            transaction
                .connection()?
                .execute("INSERT OR REPLACE INTO page VALUES (?1, ?2)", [name, &text])?;
            Ok(Body::from(text).into())
        }
        Method::GET => {
            let mut page = transaction
                .connection()?
                .prepare_cached("SELECT text FROM page WHERE name = ?1")?;
            let found: Option<Result<String, _>> = page.query_map([name], |row| row.get(0))?.next();
            let text = found.or_status(StatusCode::NOT_FOUND)??;
            Ok(Body::from(text).into())
        }
        _ => {
            let mut refusal = Response::new(Body::empty());
            *refusal.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            refusal
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT"));
            Err(Abort::response(refusal))
        }
    }
}

fn pool(path: impl AsRef<Path>) -> Result<Pool<Sqlite>, Box<dyn Error>> {
    let database = Sqlite::open(path)?;
    database.migrate(&["CREATE TABLE page (name TEXT PRIMARY KEY, text TEXT NOT NULL)"])?;
    Ok(Pool::new(database, 2))
}

fn app(pool: Pool<Sqlite>) -> Result<axum::Router, matchit::InsertError> {
    Ok(axum::Router::new().fallback_service(Stack::new(pool).publisher(routes()?)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = pool("sync-router.db")?;
    let ledger = pool.ledger().clone();
    let app = app(pool)?;
    euryale::runtime(&ledger)?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:3000").await?;
        Ok(axum::serve(listener, app).await?)
    })
}
