//! Pages of tiles, on real connections.

use std::time::{Duration, Instant};

use euryale::connection::PoolBook;
use euryale::request::InternalRequest;
use euryale::tiles::{HasTiles, Tiles};
use euryale::transform::{TransformBook, TransformChainLayer};
use euryale::{Abort, Body, Pool, Publisher, Request, Response, Transaction};
use euryale_test::{CountingDatabase, Gate, RawClient, eventually};
use euryale_tests::Site;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

fn html(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// The behaviour of each path. A page has the tiles that its query names, separated by commas.
#[derive(Clone, Default)]
struct Views {
    gate: Gate,
}

impl Publisher<CountingDatabase> for Views {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, CountingDatabase>,
    ) -> Result<Response, Abort> {
        let uri = request.uri();
        if uri.path() != "/page" {
            InternalRequest::require(request)?;
        }
        transaction.connection()?;
        match uri.path() {
            "/page" => {
                let tiles = uri.query().unwrap_or("").split(',');
                let tiles: String = tiles
                    .map(|tile| format!("<p data-tile='/{tile}'></p>"))
                    .collect();
                let mut response = html(format!("<html><head></head><body>{tiles}</body></html>"));
                response.extensions_mut().insert(HasTiles);
                Ok(response)
            }
            "/slow" => {
                take(Duration::from_millis(100));
                Ok(html("s".to_owned()))
            }
            "/held" => {
                self.gate.wait();
                Ok(html("h".to_owned()))
            }
            "/hidden" => Ok(html(
                "<head><style>n</style></head><body>n</body>".to_owned(),
            )),
            "/error" => Err(Abort::error("as scripted")),
            "/panic" => std::panic::resume_unwind(Box::new("as scripted")),
            "/plain" => Ok(Response::new(Body::from("plain"))),
            "/large" => Ok(html("x".repeat(2 << 20))),
            _ => Err(Abort::status(StatusCode::NOT_FOUND)),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "work that takes its time, in a worker"
)]
fn take(time: Duration) {
    std::thread::sleep(time);
}

async fn site(connections: usize, tiles: Tiles) -> (Site, Gate) {
    let pool = Pool::new(CountingDatabase::new(), connections);
    let views = Views::default();
    let gate = views.gate.clone();
    let chain = TransformChainLayer::new().compose_page(tiles);
    (
        Site::with(pool, |stack| stack.transforms(chain), views).await,
        gate,
    )
}

/// The tiles of a page, without the rest.
async fn page(client: &mut RawClient, tiles: &str) -> String {
    let answer = client.get(&format!("/page?{tiles}")).await.unwrap();
    assert_eq!(answer.status, 200);
    let text = answer.text();
    text.replace("<html><head></head><body>", "")
        .replace("</body></html>", "")
}

const FIVE: &str = "slow?1,slow?2,slow?3,slow?4,slow?5";
const MISSING: &str = r#"<p class="tile-error">This part of the page is not available.</p>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_tiles_on_three_connections() {
    let (site, _) = site(3, Tiles::new()).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    let mut took = Duration::MAX;
    // A busy machine may be late once.
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(page(&mut client, FIVE).await, "sssss");
        took = took.min(began.elapsed());
    }
    assert!(
        took < Duration::from_millis(250),
        "two rounds of 100 ms: {took:?}"
    );
    assert_eq!(site.ledger().of::<PoolBook>().publishers.running.peak(), 3);
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_tiles_on_one_connection() {
    let (site, _) = site(1, Tiles::new()).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    let began = Instant::now();
    assert_eq!(page(&mut client, FIVE).await, "sssss");
    assert!(
        began.elapsed() >= Duration::from_millis(500),
        "one after the other"
    );
    assert_eq!(
        site.ledger().of::<PoolBook>().queue.depth.peak(),
        1,
        "and none of them crowds the queue"
    );
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pages_on_few_connections() {
    for connections in [1, 3] {
        let (site, _) = site(connections, Tiles::new()).await;
        let pages = (0..16).map(|_| async {
            let mut client = RawClient::connect(site.address).await.unwrap();
            for _ in 0..5 {
                assert_eq!(
                    page(&mut client, "hidden?1,hidden?2,hidden?1").await,
                    "<html><head><style>n</style></head><body>nnn"
                );
            }
        });
        let pages: Vec<_> = pages.collect();
        futures(pages).await;
        assert!(site.ledger().of::<PoolBook>().publishers.running.peak() <= connections as i64);
        site.end().await;
    }
}

/// Polls all of them in this task, until all are ready.
async fn futures(futures: Vec<impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_tile_breaks_one_tile() {
    for connections in [1, 3] {
        let (site, _) = site(connections, Tiles::new()).await;
        let mut client = RawClient::connect(site.address).await.unwrap();
        for broken in [
            "error",
            "panic",
            "nothing",
            "plain",
            "large",
            "/other/x",
            "page?error",
        ] {
            let text = page(&mut client, &format!("slow,{broken},slow?2")).await;
            assert!(
                text.starts_with('s') && text.ends_with('s'),
                "{broken}: {text}"
            );
            assert_eq!(text.matches(MISSING).count(), 1, "{broken}: {text}");
        }
        drop(client);
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_that_hangs_breaks_one_tile() {
    let (site, gate) = site(3, Tiles::new().deadline(Duration::from_millis(150))).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    assert_eq!(
        page(&mut client, "slow,held,slow?2").await,
        format!("s{MISSING}s")
    );
    assert_eq!(
        site.pool.status().running,
        1,
        "its worker goes on, and keeps its permit"
    );
    gate.open();
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_for_the_application_only() {
    let (site, _) = site(1, Tiles::new()).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    for header in [
        "x-none: 1",
        "x-internal: 1",
        "x-internal-request: 1",
        "internal-request: depth=1",
        "internalrequest: { depth: 1 }",
        "x-euryale-internal: 1",
        "x-subrequest: 1",
        "x-original-url: /page",
        "x-rewrite-url: /page",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: localhost",
        "forwarded: for=127.0.0.1;by=127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "host: localhost",
        "referer: http://test/page",
        "via: 1.1 euryale",
        "x-esi-enabled: 1",
        "surrogate-capability: x=\"ESI/1.0\"",
        "cookie: internal=1; depth=1",
        "authorization: Basic aW50ZXJuYWw6aW50ZXJuYWw=",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let host = if header.starts_with("host") {
                ""
            } else {
                "host: test\r\n"
            };
            let request =
                format!("{method} /hidden HTTP/1.1\r\n{host}{header}\r\ncontent-length: 0\r\n\r\n");
            client.send(request).await.unwrap();
            let answer = client.read_answer(method == "HEAD").await.unwrap();
            assert_eq!(answer.status, 404, "{method} with {header}");
            assert!(answer.body.is_empty());
        }
    }
    for path in [
        "/hidden?internal=1",
        "/./hidden",
        "/page/../hidden",
        "//hidden",
    ] {
        assert_eq!(client.get(path).await.unwrap().status, 404, "{path}");
    }
    let text = page(&mut client, "hidden").await;
    assert_eq!(
        text, "<html><head><style>n</style></head><body>n",
        "and for a page it is there"
    );
    drop(client);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disconnects_cancels_its_tiles() {
    let (site, gate) = site(3, Tiles::new()).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    client
        .send("GET /page?held?1,held?2,held?3,held?4,held?5 HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("three of five tiles run", || gate.waiting() == 3).await;
    // Another page has its first tile in the queue when this one finishes.
    let mut second = RawClient::connect(site.address).await.unwrap();
    second
        .send("GET /page?held?6,held?7 HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    eventually("a page waits", || site.pool.status().queued == 1).await;
    drop((client, second));
    eventually("it is gone", || {
        site.ledger().of::<PoolBook>().queue.gone.get() == 1
    })
    .await;
    eventually("no page is being composed", || {
        site.ledger().of::<TransformBook>().running.get() == 0
    })
    .await;
    gate.open();
    eventually("all is over", || {
        site.ledger().of::<PoolBook>().publishers.running.get() == 0
    })
    .await;
    assert_eq!(gate.passed(), 3, "what had not begun never does");
    site.end().await;
}
