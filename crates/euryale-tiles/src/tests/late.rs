//! Tests of pages that are sent before all of their tiles have arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use euryale_core::{Body, BoxError};
use euryale_transform::{Page, Transform, TransformChainLayer, TransformPage, order};
use http::Request;
use http::header::CACHE_CONTROL;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};

use super::{Site, html, tiles};
use crate::TileBook;

const PAGE: &str = "<head><title>p</title></head><body>1<b data-tile=/fast></b>2<b data-tile=/slow>\
    </b>3<b data-tile=/fast?2></b>4</body>";

/// Returns a site whose `/slow` takes 300 ms, and the number of tiles that are running.
fn site() -> (Site, Arc<AtomicUsize>) {
    struct Running(Arc<AtomicUsize>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let running = Arc::new(AtomicUsize::new(0));
    let counted = running.clone();
    let site = Site::new(PAGE)
        .tile("/fast", "<head><style>f</style></head><body>f</body>")
        .tile("/inner", "<head><style>i</style></head><body>i</body>")
        .view("/slow", move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let running = Running(counted.clone());
            async move {
                let _running = running;
                sleep(Duration::from_millis(300)).await;
                Ok(html(
                    "<head><style>s</style></head><body>s<b data-tile=/inner></b></body>",
                ))
            }
        });
    (site, running)
}

async fn frame(body: &mut Body) -> String {
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    String::from_utf8(frame.to_vec()).unwrap()
}

fn get() -> Request<()> {
    Request::get("/").body(()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_part_is_sent_while_a_tile_is_awaited() {
    let (site, _) = site();
    let began = Instant::now();
    let tiles = tiles().late_after(Duration::from_millis(50));
    let response = site.open(tiles, site.internal(), get()).await;
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let mut body = response.into_body();
    assert_eq!(
        frame(&mut body).await,
        "<head><title>p</title><style>f</style></head><body>1f2",
        "with the heads of the tiles that are there, of later ones, too"
    );
    assert_eq!(began.elapsed().as_millis() / 10, 5);
    assert_eq!(
        frame(&mut body).await,
        "<style>s</style><style>i</style>si3f4</body>"
    );
    assert_eq!(began.elapsed().as_millis() / 10, 30);
    assert!(body.frame().await.is_none());
    assert_eq!(
        site.ledger.of::<TileBook>().parts.ok.get(),
        4,
        "each is counted once, however often it was looked for"
    );
}

#[tokio::test(start_paused = true)]
async fn tiles_that_are_in_time_are_not_late() {
    let (site, _) = site();
    let whole = "<head><title>p</title><style>f</style><style>s</style><style>i</style></head>\
        <body>1f2si3f4</body>";
    for tiles in [tiles(), tiles().late_after(Duration::from_secs(1))] {
        let (head, text) = site.send(tiles, get()).await;
        assert_eq!(text, whole);
        assert!(!head.headers.contains_key(CACHE_CONTROL));
    }
}

struct Shout;

impl Transform for Shout {
    fn name(&self) -> &'static str {
        "shout"
    }

    fn order(&self) -> i32 {
        order::THEME
    }
}

impl TransformPage for Shout {
    async fn transform(
        &self,
        _: &Page,
        page: http::Response<String>,
    ) -> Result<http::Response<String>, BoxError> {
        Ok(page.map(|text| text.to_uppercase()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_theme_waits_for_late_tiles() {
    let (site, _) = site();
    let tiles = tiles().late_after(Duration::from_millis(50));
    let chain = TransformChainLayer::new()
        .transform_page(Shout)
        .compose_page(tiles)
        .ledger(site.ledger.clone());
    let mut request = get();
    request.extensions_mut().insert(site.internal());
    let body = site
        .through(chain, request)
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        text.ends_with("1F2<STYLE>S</STYLE><STYLE>I</STYLE>SI3F4</BODY>"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_tile_that_never_arrives_is_missing() {
    let (site, _) = site();
    let site = site.view("/slow", |_| std::future::pending());
    for (tile_ms, page_ms) in [(200, 8000), (5000, 200)] {
        let began = Instant::now();
        let tiles = tiles()
            .late_after(Duration::from_millis(50))
            .deadline(Duration::from_millis(tile_ms))
            .page_deadline(Duration::from_millis(page_ms));
        let text = site.send(tiles, get()).await.1;
        assert!(
            text.ends_with("1f2[/slow: it did not come in time]3f4</body>"),
            "{text}"
        );
        assert_eq!(began.elapsed().as_millis() / 10, 20);
    }
}

#[tokio::test(start_paused = true)]
async fn late_tiles_are_dropped_when_the_client_leaves() {
    let (site, running) = site();
    let tiles = tiles().late_after(Duration::from_millis(50));
    let mut body = site.open(tiles, site.internal(), get()).await.into_body();
    frame(&mut body).await;
    assert_eq!(running.load(Ordering::SeqCst), 1);
    drop(body);
    assert_eq!(running.load(Ordering::SeqCst), 0);
    euryale_test::assert_quiet(&site.ledger).await;
}

#[tokio::test(start_paused = true)]
async fn late_tiles_are_dropped_at_the_deadline_before_the_page_is_read() {
    let (site, running) = site();
    let tiles = tiles()
        .late_after(Duration::from_millis(50))
        .page_deadline(Duration::from_millis(200));
    let mut body = site.open(tiles, site.internal(), get()).await.into_body();
    frame(&mut body).await;
    assert_eq!(running.load(Ordering::SeqCst), 1);
    assert!(frame(&mut body).await.contains("did not come in time"));
    assert_eq!(running.load(Ordering::SeqCst), 0);
}
