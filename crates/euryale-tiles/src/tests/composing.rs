//! Tests of composed pages.

use http::Request;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, SET_COOKIE, VARY};

use super::{Site, bare, html, tiles};
use crate::{TileBook, Tiles};

#[tokio::test]
async fn heads_and_bodies_of_tiles_are_inserted() {
    let site = Site::new(
        "<html><head><title>Page</title><link data-tile=/css></head><body>\
            <div data-tile=./one>old</div>-<div data-tile=/two></div>-<p data-tile=/two></p>\
            </body></html>",
    )
    .tile("/css", "<html><head><link href=site.css></head></html>")
    .tile(
        "/one",
        "<html><head><title>One</title><style>1</style></head><body><b>1</b></body>\
        </html>",
    )
    .tile(
        "/two",
        "<html><head><style>2</style></head><body><i>2</i></body></html>",
    );
    assert_eq!(
        site.get(tiles()).await,
        "<html><head><title>Page</title><link href=site.css><style>1</style><style>2</style>\
            </head><body>\
            <b>1</b>-<i>2</i>-<i>2</i></body></html>"
    );
    assert_eq!(
        site.asked(),
        ["/css", "/one", "/two"],
        "equal addresses are asked for once"
    );
}

#[tokio::test]
async fn equal_heads_are_inserted_once() {
    let tile = "<head><link href=news.css></head><body>n</body>";
    let site = Site::new("<head></head><body><p data-tile=/n?1></p><p data-tile=/n?2></p></body>")
        .tile("/n", tile);
    assert_eq!(
        site.get(tiles()).await,
        "<head><link href=news.css></head><body>nn</body>"
    );
}

#[tokio::test]
async fn tiles_in_tiles_are_resolved_against_the_page() {
    let site = Site::new("<p data-tile=/deep/one></p>")
        .tile("/deep/one", "1<b data-tile=two></b>")
        .tile(
            "/two",
            "<head><style>2</style></head><body>2<b data-tile=three></b></body>",
        )
        .tile("/three", "3");
    assert_eq!(site.get(tiles()).await, "<style>2</style>123");
}

#[tokio::test]
async fn a_page_is_merged_into_its_layout() {
    let site = Site::new(
        "<html data-layout=/layout><head><title>P</title></head>\
            <body>gone<div data-panel=main>p <b data-tile=/t></b></div></body></html>",
    )
    .tile(
        "/layout",
        "<html data-layout=/layout><head><title>L</title></head><body><nav data-tile=/nav>\
        </nav><div data-panel=main></div></body></html>",
    )
    .tile("/t", "t")
    .tile("/nav", "n");
    assert_eq!(
        site.get(tiles()).await,
        "<html data-layout=/layout><head><title>P</title></head><body>n<div data-panel=main>p t\
            </div>\
            </body></html>"
    );
    assert_eq!(site.asked(), ["/layout", "/nav", "/t"]);
}

#[tokio::test]
async fn unique_elements_are_taken_from_the_layout() {
    let site = Site::new(
        "<html data-layout=/layout><head><base href=/x><meta http-equiv=\"Content-Type\" \
            content=\"text/html\" charset=\"utf-8\"><meta charset=utf-8><link href=p.css></head>\
            <body></body></html>",
    )
    .tile(
        "/layout",
        "<html><head><meta charset=utf-8></head><body>l</body></html>",
    );
    assert_eq!(
        site.get(tiles()).await,
        "<html><head><meta charset=utf-8><link href=p.css></head><body>l</body></html>"
    );
}

#[tokio::test]
async fn a_page_whose_layout_is_missing_is_sent_unchanged() {
    let page = "<html data-layout=/layout><body><div data-panel=main>p <b data-tile=/t></b></div>\
        </body></html>";
    let site = Site::new(page).tile("/t", "t");
    let (head, text) = site
        .send(tiles(), Request::get("/").body(()).unwrap())
        .await;
    assert_eq!(
        text,
        "<html data-layout=/layout><body><div data-panel=main>p t</div></body></html>"
    );
    assert_eq!(head.headers[CACHE_CONTROL], "no-store");
    assert_eq!(
        (
            site.ledger.of::<TileBook>().parts.ok.get(),
            site.ledger.of::<TileBook>().parts.status.get()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn only_marked_pages_are_composed() {
    let site = Site::new("")
        .tile("/t", "t")
        .tile("/other", "<p data-tile=/t></p>");
    let get = || Request::get("/other").body(()).unwrap();
    assert_eq!(site.send(tiles(), get()).await.1, "<p data-tile=/t></p>");
    assert_eq!(site.send(tiles().pages(|_, _| true), get()).await.1, "t");
}

#[tokio::test]
async fn redirects_within_the_site_are_followed() {
    let moved = |to: &'static str| {
        move |_| async move {
            let mut response = bare(302);
            response
                .headers_mut()
                .insert("location", to.parse().unwrap());
            Ok(response)
        }
    };
    let site = Site::new(
        "<p data-tile=/a/old></p><p data-tile=/out></p><p data-tile=/loop></p><p data-tile=/lost>\
            </p>",
    )
    .view("/a/old", moved("new?x=1"))
    .tile("/a/new?x=1", "new")
    .view("/out", moved("http://elsewhere/"))
    .view("/loop", moved("/loop"))
    .view("/lost", |_| async { Ok(bare(304)) });
    assert_eq!(
        site.get(tiles()).await,
        "new[/out: its address is outside this site][/loop: it is too deep in other tiles][/lost: \
            it was answered 304]"
    );
}

/// A redirect to a tile may be as private as the tile itself.
#[tokio::test]
async fn caching_rules_of_redirects_apply() {
    for (name, value, composed) in [
        ("cache-control", "no-store", "no-store"),
        ("cache-control", "private", "private, max-age=600"),
        ("cache-control", "max-age=5", "public, max-age=5"),
        ("set-cookie", "a=b", "private, max-age=600"),
        ("vary", "cookie", "public, max-age=600"),
    ] {
        let page = |_| async {
            let mut response = html("<p data-tile=/old></p>");
            response.extensions_mut().insert(crate::HasTiles);
            response
                .headers_mut()
                .insert(CACHE_CONTROL, "public, max-age=600".parse().unwrap());
            Ok(response)
        };
        let old = move |_| async move {
            let mut response = bare(302);
            response
                .headers_mut()
                .insert("location", "/new".parse().unwrap());
            response.headers_mut().insert(name, value.parse().unwrap());
            Ok(response)
        };
        let site = Site::new("")
            .view("/", page)
            .view("/old", old)
            .tile("/new", "new");
        let (head, text) = site
            .send(tiles(), Request::get("/").body(()).unwrap())
            .await;
        assert_eq!(
            (text.as_str(), &head.headers[CACHE_CONTROL]),
            ("new", &composed.parse().unwrap()),
            "{name}"
        );
        assert_eq!(head.headers.contains_key(VARY), name == "vary");
        assert!(!head.headers.contains_key(SET_COOKIE));
    }
}

#[tokio::test]
async fn the_strictest_caching_rules_of_all_parts_apply() {
    for (page, tile, cookie, composed) in [
        ("", "", false, None),
        ("", "max-age=5", false, None),
        (
            "public, max-age=600, must-revalidate",
            "",
            false,
            Some("public, must-revalidate, max-age=600"),
        ),
        (
            "public, max-age=600",
            "max-age=60",
            false,
            Some("public, max-age=60"),
        ),
        (
            "public, max-age=600",
            "private",
            false,
            Some("private, max-age=600"),
        ),
        (
            "public, max-age=600",
            "",
            true,
            Some("private, max-age=600"),
        ),
        (
            "public, max-age=600",
            "no-cache",
            false,
            Some("public, no-cache, max-age=600"),
        ),
        ("public, max-age=600", "no-store", false, Some("no-store")),
        ("no-store", "public, max-age=600", false, Some("no-store")),
        (
            "s-maxage=600, max-age=1",
            "s-maxage=60",
            false,
            Some("max-age=1, s-maxage=1"),
        ),
        ("", "private", false, Some("private")),
        ("max-age=x", "", false, Some("max-age=0")),
    ] {
        let says = |value: &'static str| {
            move |_| async move {
                let mut response = html("<p data-tile=/t></p>");
                response.extensions_mut().insert(crate::HasTiles);
                let headers = response.headers_mut();
                headers.insert(ETAG, "\"page\"".parse().unwrap());
                headers.insert(
                    LAST_MODIFIED,
                    "Sat, 01 Jan 2000 00:00:00 GMT".parse().unwrap(),
                );
                headers.insert(VARY, "accept-language".parse().unwrap());
                if !value.is_empty() {
                    headers.insert(CACHE_CONTROL, value.parse().unwrap());
                }
                Ok(response)
            }
        };
        let site = Site::new("")
            .view("/", says(page))
            .view("/t", move |_| async move {
                let mut response = html("t");
                response
                    .headers_mut()
                    .insert(VARY, "cookie".parse().unwrap());
                if !tile.is_empty() {
                    response
                        .headers_mut()
                        .insert(CACHE_CONTROL, tile.parse().unwrap());
                }
                if cookie {
                    response
                        .headers_mut()
                        .insert(SET_COOKIE, "a=b".parse().unwrap());
                }
                Ok(response)
            });
        let (head, text) = site
            .send(tiles(), Request::get("/").body(()).unwrap())
            .await;
        assert_eq!(text, "t");
        let says = head
            .headers
            .get(CACHE_CONTROL)
            .map(|value| value.to_str().unwrap());
        assert_eq!(says, composed, "{page} with {tile}");
        let vary: Vec<_> = head.headers.get_all(VARY).iter().collect();
        assert_eq!(vary, ["cookie", "accept-language"]);
        assert!(
            [ETAG, LAST_MODIFIED, SET_COOKIE]
                .iter()
                .all(|name| !head.headers.contains_key(name))
        );
        assert_eq!(head.headers[CONTENT_TYPE], "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn a_tile_is_requested_on_behalf_of_the_pages_client() {
    let site = Site::new("<p data-tile=/t></p>").view("/t", |request| async move {
        assert!(
            !request.headers().contains_key("if-none-match")
                && !request.headers().contains_key("range")
        );
        let of = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        Ok(html(format!(
            "{} {} {}",
            request.method(),
            of("cookie"),
            of("accept-language")
        )))
    });
    let request = Request::post("/")
        .header("cookie", "a=1")
        .header("accept-language", "de");
    let request = request
        .header("if-none-match", "\"x\"")
        .header("range", "bytes=0-1")
        .body(())
        .unwrap();
    assert_eq!(site.send(Tiles::new(), request).await.1, "GET a=1 de");
}
