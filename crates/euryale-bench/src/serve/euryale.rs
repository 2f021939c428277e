//! Euryale: the stack on `axum::serve`, like its peers, and on our own server.

use std::convert::Infallible;
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use euryale::connection::PoolBuilder;
use euryale::forwarded::{ForwardedLayer, TrustedProxies, VirtualHostLayer};
use euryale::promise::{Key, PromisesExt};
use euryale::spool::SpoolLayer;
use euryale::{
    Abort, Blob, Body, Database, Deferred, Pool, Request, Response, Stack, StackService,
    Transaction,
};
use euryale_admin::Admin;
use euryale_server::rustls::crypto;
use euryale_server::{Listener, Readiness, Server, Shutdown, Tls};
use euryale_sqlite::Sqlite;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use tower::ServiceBuilder;

use super::{schemes, sizes};
use crate::scene::{Scene, View, Wire, transformed};

/// More than the number of waiting requests of any workload: a full queue would refuse requests,
/// and a refusal fails a run.
const MAX_QUEUE: usize = 20_000;
const MAX_WAIT: Duration = Duration::from_secs(300);
/// A client that waits, reads slowly or does not read must outlast its run.
const RUN: Duration = Duration::from_secs(600);
/// The duration of each of several promises.
const PROMISE: Duration = Duration::from_millis(300);
const WAITED: Key<()> = Key::new("waited");
/// The maximum size of an upload.
const LARGEST: u64 = 64 << 30;

/// A page whose publisher uses its connection: begin and commit.
pub(super) fn page(cap: usize) -> StackService {
    on(Pool::new((), cap)).publish(|_request, transaction| {
        transaction.connection()?;
        Ok(plain(schemes::page()))
    })
}

/// A page whose publisher never asks for its connection.
pub(super) fn lazy_page(cap: usize) -> StackService {
    on(Pool::new((), cap)).publish(|_request, _transaction| Ok(plain(schemes::page())))
}

/// A row, read or changed.
pub(super) fn sqlite(scene: &Scene) -> Result<StackService> {
    let pool = rows(scene)?;
    let view = scene.view;
    Ok(on(pool).publish(move |_, transaction| row(view, transaction)))
}

fn on<D: Database>(pool: Pool<D>) -> Stack<D> {
    Stack::new(pool)
}

fn rows(scene: &Scene) -> Result<Pool<Sqlite>> {
    let database = Sqlite::open(database_file(&scene.folder))?;
    database.migrate(&[TABLE, ROWS])?;
    Ok(Pool::new(database, scene.cap))
}

pub(super) fn database_file(folder: &Path) -> std::path::PathBuf {
    folder.join("rows.db")
}

pub(super) const TABLE: &str =
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, word TEXT NOT NULL, uses INTEGER NOT NULL)";
/// A thousand rows, so that the requested row is somewhere in a B-tree.
pub(super) const ROWS: &str = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n \
    WHERE id < 1000) \
                               INSERT INTO rows SELECT id, 'hello', 0 FROM n";
pub(super) const READ: &str = "SELECT word FROM rows WHERE id = ?1";
pub(super) const WRITE: &str = "UPDATE rows SET uses = uses + 1 WHERE id = ?1 RETURNING word";
pub(super) const ID: i64 = 500;

fn row(view: View, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
    let statement = match view {
        View::Write => {
            transaction.writable()?;
            WRITE
        }
        _ => READ,
    };
    let connection = transaction.connection()?;
    let word = connection
        .prepare_cached(statement)?
        .query_row([ID], |row| row.get(0))?;
    Ok(plain(word))
}

/// With the header that axum sets for a `String`, so that the answers of all peers have the same
/// length.
fn plain(page: String) -> Response {
    let mut response = Response::new(Body::from(page));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn html(page: String) -> Response {
    let mut response = plain(page);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

/// The whole product: our server, with its admin listener, around the stack. Files go out with
/// `sendfile` only when they are stable, which those of `euryale-read` are not.
pub(super) fn serve(listener: TcpListener, scene: &Scene, peer: &str) -> Result<()> {
    let front = Front::new(listener, scene, peer == "euryale-proxied")?;
    match scene.view {
        view @ (View::Read | View::Write) => {
            let publisher = move |_: &Request, transaction: &mut Transaction<'_, Sqlite>| {
                row(view, transaction)
            };
            front.run(&rows(scene)?, scene, publisher)
        }
        _ => {
            let stable = peer != "euryale-read";
            front.run(&pool(scene), scene, view(scene, stable))
        }
    }
}

fn pool(scene: &Scene) -> Pool<()> {
    let builder = Pool::builder(())
        .connections(scene.cap)
        .max_queue(MAX_QUEUE)
        .max_wait(MAX_WAIT);
    let lane = |builder: PoolBuilder<()>, name: String| builder.lane(name, scene.cap);
    sizes::lane_names(scene).fold(builder, lane).build()
}

/// What is in front of the stack.
struct Front {
    listener: TcpListener,
    tls: Option<Tls>,
    proxies: Option<TrustedProxies>,
}

impl Front {
    fn new(listener: TcpListener, scene: &Scene, is_proxied: bool) -> Result<Self> {
        let tls = match scene.wire {
            Wire::Http1 | Wire::Http2 => None,
            Wire::Tls => {
                let [certificate, key] = scene.certificate();
                let provider = crypto::aws_lc_rs::default_provider();
                Some(Tls::new(Tls::read_pem(&certificate, &key, provider)?))
            }
        };
        let local = is_proxied.then(|| "127.0.0.0/8".parse());
        Ok(Self {
            listener,
            tls,
            proxies: local.transpose()?,
        })
    }

    fn run<D, P>(self, pool: &Pool<D>, scene: &Scene, publisher: P) -> Result<()>
    where
        D: Database,
        P: Fn(&Request, &mut Transaction<'_, D>) -> Result<Response, Abort> + Send + Sync + 'static,
    {
        let ledger = pool.ledger().clone();
        let spool = SpoolLayer::new().limit(LARGEST).directory(&scene.folder);
        let server = Server::new()
            .ledger(ledger.clone())
            .head_timeout(RUN)
            .idle_timeout(RUN)
            .write_timeout(RUN)
            .body_timeout(RUN)
            .body_rate(0, RUN);
        let mut stack = sizes::lanes(Stack::new(pool.clone()).spool(spool), pool, scene);
        if scene.view == View::Transforms {
            stack = stack.transforms(sizes::transforms(scene.count));
        }
        let service = stack.publish(publisher);
        euryale::runtime(&ledger)?.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let admin = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            let port = listener.local_addr()?.port();
            let admin_port = admin.local_addr()?.port();
            let shutdown = Shutdown::new();
            let answers = Admin::for_ledger(ledger.clone(), Readiness::new(&shutdown));
            let mut listener = Listener::from(listener);
            if let Some(tls) = self.tls {
                listener = listener.tls(&tls);
            }
            let server = server.listen(listener).admin(admin, answers);
            println!("{port} {admin_port}");
            let Some(proxies) = self.proxies else {
                server.serve(service, shutdown).await;
                return Ok(());
            };
            let layers = ServiceBuilder::new()
                .layer(ForwardedLayer::new(proxies.clone()))
                .layer(VirtualHostLayer::new(proxies));
            server.serve(layers.service(service), shutdown).await;
            Ok(())
        })
    }
}

fn view(
    scene: &Scene,
    stable: bool,
) -> impl Fn(&Request, &mut Transaction<'_, ()>) -> Result<Response, Abort> + Send + Sync + 'static
{
    let view = scene.view;
    let folder = scene.folder.clone();
    let count = scene.count;
    let page = transformed().concat();
    move |request, transaction| {
        transaction.connection()?;
        match (view, request.uri().path()) {
            (View::Slow, _) => Ok(plain(schemes::slow())),
            (View::Deferred, _) => Ok(Response::new(
                Deferred::blocking(|| answered(schemes::slow())).into(),
            )),
            (View::DeferredAsync, _) => Ok(Response::new(Body::deferred(async {
                tokio::time::sleep(schemes::WORK).await;
                answered(schemes::page())
            }))),
            (View::Promise, _) => promised(request, 1, schemes::WORK),
            (View::Promises, _) => promised(request, 3, PROMISE),
            (View::Upload, "/upload") => Ok(plain(request.body().len().to_string())),
            (View::Sized, _) => Ok(plain("x".repeat(count))),
            (View::Transforms, _) => Ok(html(page.clone())),
            (View::Files, path) if path != "/" => file(&folder, path, stable),
            _ => Ok(plain(schemes::page())),
        }
    }
}

fn answered(page: String) -> Result<Response, Infallible> {
    Ok(plain(page))
}

/// The first publication ends with the promise, and the second one answers.
fn promised(request: &Request, count: usize, time: Duration) -> Result<Response, Abort> {
    let promises = request.promises();
    let asked = (0..count).map(|number| {
        promises.ask(WAITED.with(number), move || async move {
            tokio::time::sleep(time).await;
            Ok::<_, Infallible>(())
        })
    });
    for waited in promises.all(asked)? {
        waited?;
    }
    Ok(plain(schemes::page()))
}

/// Like the site: the response has an open file, and the worker is free while it is sent.
fn file(folder: &Path, path: &str, stable: bool) -> Result<Response, Abort> {
    let name = path.trim_start_matches('/');
    if name.contains('/') || name.contains("..") {
        return Err(Abort::status(StatusCode::NOT_FOUND));
    }
    let Ok(file) = File::open(folder.join(name)) else {
        return Err(Abort::status(StatusCode::NOT_FOUND));
    };
    let blob = Blob::new(file)?;
    let blob = if stable {
        // SAFETY: no process changes the files of a measurement while it runs.
        #[expect(unsafe_code, reason = "the folder of the measurement is its own")]
        unsafe {
            blob.assume_stable()
        }
    } else {
        blob
    };
    Ok(Response::new(Body::from(blob)))
}
