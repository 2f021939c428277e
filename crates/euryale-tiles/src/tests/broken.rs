//! A broken tile does not affect the rest of the page.

use std::time::Duration;

use euryale_core::error::LANE_FULL;
use euryale_core::{Body, Error, Response};
use http::{Request, StatusCode};

use super::{Site, bare, html, never, tiles};
use crate::{TileBook, TileErrorKind, Tiles};

fn broken() -> Site {
    let typed = |name: &'static str| {
        move |_| async move {
            let mut response = html("text");
            response
                .headers_mut()
                .insert("content-type", name.parse().unwrap());
            Ok(response)
        }
    };
    Site::new("")
        .tile("/good", "good")
        .view("/error", |_| async { Err(Error::new(LANE_FULL)) })
        .view("/panic", |_| async {
            std::panic::resume_unwind(Box::new("as scripted"))
        })
        .view(
            "/panic-at-once",
            |_| -> std::future::Ready<Result<Response, Error>> {
                std::panic::resume_unwind(Box::new("as scripted"))
            },
        )
        .view("/forbidden", |_| async {
            let mut response = html("no");
            *response.status_mut() = StatusCode::FORBIDDEN;
            Ok(response)
        })
        .view("/hangs", |_| std::future::pending())
        .view("/hangs-late", |_| async {
            let mut response = html("");
            *response.body_mut() = never().into_body();
            Ok(response)
        })
        .view("/json", typed("application/json"))
        .view("/untyped", |_| async {
            Ok(Response::new(Body::from("text")))
        })
        .view("/latin", |_| async {
            let mut response = html("");
            response.headers_mut().insert(
                "content-type",
                "text/html; charset=iso-8859-1".parse().unwrap(),
            );
            *response.body_mut() = Body::from(b"caf\xe9".to_vec());
            Ok(response)
        })
        .view("/unknown", typed("text/html; charset=x-nothing"))
        .view("/bytes", |_| async {
            let mut response = html("");
            *response.body_mut() = Body::from(vec![b'<', 0xff, 0xfe]);
            Ok(response)
        })
        .view("/coded", |_| async {
            let mut response = html("");
            response
                .headers_mut()
                .insert("content-encoding", "gzip".parse().unwrap());
            Ok(response)
        })
        .view("/large", |_| async { Ok(html("x".repeat(1001))) })
        .view("/endless", |_| async {
            let mut response = html("");
            *response.body_mut() =
                Body::iter(std::iter::repeat_n(bytes::Bytes::from_static(b"x"), 5000));
            Ok(response)
        })
        .view("/breaks-off", |_| async {
            let mut response = html("");
            *response.body_mut() = Body::writer(|_| Err(std::io::Error::other("as scripted")));
            Ok(response)
        })
        .view("/empty", |_| async { Ok(bare(204)) })
}

#[tokio::test(start_paused = true)]
async fn a_broken_tile_does_not_affect_the_rest_of_the_page() {
    for (path, outcome, error) in [
        ("/error", "status", Some("it was answered 503")),
        ("/panic", "failed", Some("it failed")),
        ("/panic-at-once", "failed", Some("it failed")),
        ("/missing", "status", Some("it was answered 404")),
        ("/forbidden", "status", Some("it was answered 403")),
        ("/hangs", "elapsed", Some("it did not come in time")),
        ("/hangs-late", "elapsed", Some("it did not come in time")),
        ("/json", "content", Some("it is not HTML")),
        ("/untyped", "content", Some("it is not HTML")),
        ("/unknown", "content", Some("it is not HTML")),
        ("/bytes", "content", Some("it is not text in its charset")),
        ("/coded", "content", Some("it is not HTML")),
        ("/large", "limit", Some("it is too large")),
        ("/endless", "limit", Some("it is too large")),
        ("/breaks-off", "failed", Some("it failed")),
        ("/empty", "ok", None),
        (
            "http://other/x",
            "address",
            Some("its address is outside this site"),
        ),
        ("/secret", "address", Some("its address is not allowed")),
    ] {
        let page = format!(
            "<head><link data-tile={path}></head><b data-tile=/good></b>-<b data-tile={path}>\
                </b>-<b data-tile=/good?2></b>"
        );
        let site = broken().tile("/page", &page);
        let tiles = tiles()
            .pages(|_, _| true)
            .tile_limit(1000)
            .allow(|address| address.path() != "/secret");
        let (head, text) = site
            .send(tiles, Request::get("/page").body(()).unwrap())
            .await;
        let error = error.map_or_else(String::new, |error| format!("[{path}: {error}]"));
        assert_eq!(text, format!("<head></head>good-{error}-good"), "{path}");
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(
            head.headers.contains_key("cache-control"),
            !error.is_empty(),
            "an error is not kept: {path}"
        );
        let counted = format!(
            "euryale_tiles_total{{outcome=\"{outcome}\"}} {}",
            if outcome == "ok" { 4 } else { 2 }
        );
        assert!(
            site.ledger.exposition().contains(&counted),
            "{path}: {counted}"
        );
        assert_eq!(
            site.ledger.of::<TileBook>().parts.ok.get(),
            if outcome == "ok" { 4 } else { 2 },
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_tile_is_read_in_its_charset() {
    let site = broken().tile("/page", "<b data-tile=/latin></b>");
    let request = Request::get("/page").body(()).unwrap();
    assert_eq!(
        site.send(tiles().pages(|_, _| true), request).await.1,
        "caf\u{e9}"
    );
}

#[tokio::test(start_paused = true)]
async fn hanging_tiles_are_missing_after_the_page_deadline() {
    let page: String = (0..20)
        .map(|n| format!("<b data-tile=/hangs?{n}></b>"))
        .collect();
    let site = broken().tile("/page", &page);
    let began = tokio::time::Instant::now();
    let tiles = Tiles::new().pages(|_, _| true).error_tile(|_, error| {
        assert_eq!(error.kind(), TileErrorKind::Elapsed);
        "x".to_owned()
    });
    let (_, text) = site
        .send(tiles, Request::get("/page").body(()).unwrap())
        .await;
    assert_eq!(text, "x".repeat(20));
    assert_eq!(began.elapsed().as_secs(), Duration::from_secs(8).as_secs());
}

#[tokio::test]
async fn loops_of_tiles_end() {
    // A tile that contains itself, a cycle of two tiles, and an endless chain of different tiles.
    let site = Site::new("<b data-tile=/self></b>").tile("/self", "s<b data-tile=/self></b>");
    assert_eq!(
        site.get(tiles()).await,
        format!("{}[/self: it is too deep in other tiles]", "s".repeat(10))
    );
    assert_eq!(site.asked(), ["/self"]);

    let site = Site::new("<b data-tile=/a></b>")
        .tile("/a", "a<b data-tile=/b></b>")
        .tile("/b", "b<b data-tile=/a></b>");
    assert_eq!(
        site.get(tiles().depth(3)).await,
        "aba[/b: it is too deep in other tiles]"
    );

    let site = Site::new("<b data-tile=/n?1></b>").view("/n", |request| async move {
        let n: u32 = request.uri().query().unwrap().parse().unwrap();
        Ok(html(format!("{n} <b data-tile=/n?{}></b>", n + 1)))
    });
    assert_eq!(
        site.get(tiles()).await,
        "1 2 3 4 5 6 7 8 9 10 [/n?11: it is too deep in other tiles]"
    );
    assert_eq!(site.asked().len(), 10);

    // The page that is used as a tile is not marked as having tiles.
    let site = Site::new("p<b data-tile=/></b>");
    assert_eq!(
        site.get(tiles().depth(2)).await,
        "ppp[/: it is too deep in other tiles]"
    );
}

#[tokio::test]
async fn the_size_of_multiplying_tiles_is_limited() {
    let site = Site::new("<b data-tile=/m></b>").tile("/m", &"<b data-tile=/m></b>".repeat(10));
    let text = site
        .get(Tiles::new().error_tile(|_, _| "x".to_owned()).depth(1000))
        .await;
    assert!(text.len() <= 1000, "100 places of 10 tiles: {}", text.len());

    let site = Site::new(&"<b data-tile=/large></b>".repeat(5)).tile("/large", &"x".repeat(1000));
    assert_eq!(
        site.get(tiles().page_limit(3000))
            .await
            .matches("[/large: it is too large]")
            .count(),
        2
    );

    let page: String = (0..7)
        .map(|n| format!("<b data-tile=/t?{n}></b>"))
        .collect();
    let site = Site::new(&page).tile("/t", "t");
    assert_eq!(
        site.get(tiles().most(5))
            .await
            .matches("the page has too many tiles")
            .count(),
        2
    );
    assert_eq!(site.asked().len(), 5);
}

#[tokio::test]
async fn without_a_stack_a_page_is_not_changed() {
    use euryale_core::request::Internal;
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    let chain =
        euryale_transform::TransformChainLayer::new().compose_page(tiles().pages(|_, _| true));
    let service =
        ServiceBuilder::new()
            .layer(chain)
            .service(service_fn(async |request: Request<()>| {
                assert!(Internal::of(request.extensions()).is_none());
                Ok::<_, std::convert::Infallible>(html("<b data-tile=/t></b>"))
            }));
    let body = service.oneshot(Request::new(())).await.unwrap().into_body();
    let body = http_body_util::BodyExt::collect(body)
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "<b data-tile=/t></b>");
}
