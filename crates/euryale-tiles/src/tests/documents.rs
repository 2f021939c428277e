//! Tests of splitting documents into their parts.

use crate::fragment::{Fragment, Piece};
use crate::outline::Outline;
use crate::{TileErrorKind, panels};

/// Writes a fragment's pieces as text: `{…}` is a tile, and `{}` is the place for heads.
fn written(fragment: &Fragment, pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(span) => fragment.text(span).to_owned(),
        Piece::Tile { reference, in_head } => {
            format!("{{{reference}{}}}", if *in_head { "^" } else { "" })
        }
        Piece::Heads => "{}".to_owned(),
    };
    pieces.iter().map(piece).collect()
}

fn page(text: &str) -> String {
    let page = Fragment::page(text.to_owned(), &Outline::of(text).unwrap());
    written(&page, &page.body)
}

fn tile(text: &str) -> (String, String, String) {
    let tile = Fragment::tile(text.to_owned()).unwrap();
    (
        written(&tile, &tile.head_beside),
        written(&tile, &tile.body),
        written(&tile, tile.for_head()),
    )
}

#[test]
fn placeholders_are_found() {
    for (text, pieces) in [
        ("<p>no tile</p>", "{}<p>no tile</p>"),
        (
            "<!doctype html><html><head><link data-tile=./css></head><body>\
                <div data-tile=\"/a?b=1&amp;c=2\">x</div>y</body></html>",
            "<!doctype html><html><head>{./css^}{}</head><body>{/a?b=1&c=2}y</body></html>",
        ),
        // A placeholder inside another is replaced with it.
        (
            "<div data-tile=/a><p data-tile=/b></p></div><p data-tile='/c'></p>",
            "{}{/a}{/c}",
        ),
        // The end is only implied: the content after it stays.
        ("<ul><li data-tile=/a>x<li>y</ul>", "{}<ul>{/a}x<li>y</ul>"),
        ("<DIV DATA-TILE=/a></DIV>", "{}{/a}"),
        // Documents without elements.
        (
            "<!-- <p data-tile=/a></p> --><script>'<p data-tile=/a></p>'</script><textarea>\
                <p data-tile=/a></textarea>",
            "{}<!-- <p data-tile=/a></p> --><script>'<p data-tile=/a></p>'</script><textarea>\
                <p data-tile=/a></textarea>",
        ),
        // A head without an end tag, and a page without a head.
        (
            "<html><head><link data-tile=/a><body data-tile=/b>",
            "<html><head>{/a^}{}{/b}",
        ),
        (
            "<!doctype html><html lang=en><p data-tile=/a></p>",
            "<!doctype html><html lang=en>{}{/a}",
        ),
        ("<p data-tile>\u{e4}</p>\u{1f600}", "{}{}\u{1f600}"),
        ("", "{}"),
    ] {
        assert_eq!(page(text), pieces, "{text}");
    }
}

#[test]
fn a_tile_has_a_head_and_a_body() {
    let whole = |beside: &str, body: &str, head: &str| {
        (beside.to_owned(), body.to_owned(), head.to_owned())
    };
    for (text, pieces) in [
        (
            "<!doctype html><html><head><title>t</title><meta charset=utf-8><base href=/x>\
                <link href=a.css></head><body class=x><p>b</p></body></html>\n",
            whole(
                "<link href=a.css>",
                "<p>b</p>",
                "<title>t</title><meta charset=utf-8><base href=/x><link href=a.css>",
            ),
        ),
        ("<p>only</p>", whole("", "<p>only</p>", "<p>only</p>")),
        (
            "<html><body><p>b</p></body></html>",
            whole("", "<p>b</p>", "<p>b</p>"),
        ),
        (
            "<html><head><link></head></html>",
            whole("<link>", "", "<link>"),
        ),
        (
            "<html><head ><link></head ><p>b</p></html>",
            whole("<link>", "<p>b</p>", "<link>"),
        ),
        ("<html><p>b</p></html>", whole("", "<p>b</p>", "<p>b</p>")),
        (
            "<body>open <b data-tile=/n></b>",
            whole("", "open {/n}", "open {/n}"),
        ),
        (
            "<head><meta http-equiv=Content-Type content=x><script data-tile=/s></script></head>",
            whole("{/s^}", "", "<meta http-equiv=Content-Type content=x>{/s^}"),
        ),
        ("", whole("", "", "")),
    ] {
        assert_eq!(tile(text), pieces, "{text}");
    }
}

#[test]
fn an_invalid_document_has_no_outline() {
    let tag = format!("<p data-tile=\"{}", "x".repeat(2 << 20));
    assert_eq!(Outline::of(&tag), Err(TileErrorKind::NotHtml));
    let deep = "<b>".repeat(1_000_000);
    // A million open elements exceed the parser's memory. The outcome does not matter as long as
    // memory is bounded.
    let _ = Outline::of(&deep);
}

#[test]
fn panels_of_a_page_are_put_into_its_layout() {
    let merged = |page: &str, layout: &str| {
        let of_page = Outline::of(page).unwrap();
        let of_layout = Outline::of(layout).unwrap();
        panels::merge((page, &of_page), (layout, &of_layout))
    };
    assert_eq!(
        merged(
            "<html data-layout=/l><head><title>Page</title><meta charset=utf-8><link href=p.css>\
                </head>\
                <body>gone<div data-panel=one>1 <b data-tile=/t></b></div><p data-panel=three>3</p>\
                </body></html>",
            "<html><head><meta charset=utf-8><title>Layout</title></head><body><h1>Kept</h1>\
                <div class=x data-panel=one>default 1</div><div data-panel=two>default 2</div>\
                </body></html>",
        ),
        "<html><head><meta charset=utf-8><title>Page</title><link href=p.css></head><body><h1>Kept\
            </h1>\
            <div class=x data-panel=one>1 <b data-tile=/t></b></div><div data-panel=two>default 2\
            </div>\
            </body></html>",
    );
    // The panel `content` has a place of its own in the layout.
    assert_eq!(
        merged("<p data-panel=content>c</p>", "<main id=content>x</main>"),
        "<main id=content>c</main>"
    );
    assert_eq!(
        merged(
            "<p data-panel=content>c</p>",
            "<i data-panel=content></i><main id=content>x</main>"
        ),
        "<i data-panel=content>c</i><main id=content>x</main>"
    );
    // A panel inside a panel that is replaced, one inside a panel that is not, and a layout without
    // a head.
    let layout = "<div data-panel=a><i data-panel=b>x</i></div>";
    assert_eq!(
        merged("<p data-panel=b>B</p>", layout),
        "<div data-panel=a><i data-panel=b>B</i></div>"
    );
    assert_eq!(
        merged(
            "<head><title>x</title></head><p data-panel=b>B</p><p data-panel=a>A</p>",
            layout
        ),
        "<div data-panel=a>A</div>"
    );
    // A layout keeps its title when the page has none.
    assert_eq!(
        merged("<head><link></head>", "<head><title>Layout</title></head>"),
        "<head><title>Layout</title><link></head>"
    );
}
