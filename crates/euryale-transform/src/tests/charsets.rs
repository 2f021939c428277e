//! Tests of pages in other charsets than UTF-8, and of bytes that are not text.

use super::*;
use crate::TransformBook;

fn html(charset: Option<&str>, body: &'static [u8]) -> Response {
    let content_type = charset.map_or("text/html".to_owned(), |charset| {
        format!("text/html; charset={charset}")
    });
    with(Bytes::from_static(body), &[("content-type", &content_type)])
}

#[tokio::test]
async fn a_whole_page_is_decoded_by_its_charset_and_sent_as_utf_8() {
    for (charset, body) in [
        (None, "<p>\u{e9}</p>".as_bytes()),
        (Some("utf-8"), "<p>\u{e9}</p>".as_bytes()),
        (Some("UTF-8"), "<p>\u{e9}</p>".as_bytes()),
        (Some("\"iso-8859-1\""), b"<p>\xe9</p>"),
        (Some("windows-1252"), b"<p>\xe9</p>"),
    ] {
        let layer = TransformChainLayer::new().transform_page(ends_with("whole", 1, "\u{20ac}"));
        let response = get(layer, move || html(charset, body)).await;
        let content_type = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_ascii_lowercase();
        assert!(
            content_type.starts_with("text/html; charset="),
            "{content_type}"
        );
        assert!(content_type.contains("utf-8"), "{content_type}");
        assert_eq!(text(response).await, "<p>\u{e9}</p>\u{20ac}", "{charset:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_text_is_sent_unchanged() {
    let bad: &[(Option<&str>, &'static [u8])] = &[
        (None, b"<p>\xff\xfe</p>"),
        (Some("utf-8"), b"<p>\xe9</p>"),
        (Some("shift_jis"), b"<p>\x81</p>"),
    ];
    for (charset, body) in bad {
        let ledger = Ledger::new();
        let layer = TransformChainLayer::new()
            .transform_page(ends_with("whole", 1, "!"))
            .ledger(ledger.clone());
        let response = get(layer, move || html(*charset, body)).await;
        assert_eq!(bytes(response).await, body);
        assert_eq!(
            ledger
                .of::<TransformBook>()
                .by_name
                .of("whole")
                .failures
                .get(),
            1
        );
    }
}

#[tokio::test]
async fn a_stream_is_rewritten_in_its_charset_and_bytes_that_no_handler_changes_stay() {
    for (charset, body, rewritten) in [
        (
            Some("windows-1252"),
            &b"<p>\xe9</p>"[..],
            &b"<p>\xe9\x80</p>"[..],
        ),
        (
            None,
            b"<p>\xff\xfe\xe9</p>",
            b"<p>\xff\xfe\xe9\xe2\x82\xac</p>",
        ),
        (
            None,
            b"<meta charset=windows-1252><p>\xe9</p>",
            b"<meta charset=windows-1252><p>\xe9\x80</p>",
        ),
    ] {
        let layer = TransformChainLayer::new().rewrite(appends("euro", 1, "\u{20ac}"));
        let response = get(layer, move || html(charset, body)).await;
        assert_eq!(bytes(response).await, rewritten, "{charset:?}");
    }
}

#[tokio::test]
async fn text_that_a_handler_only_reads_is_not_changed() {
    let reads = named("reads", 1, |_: &Page, handlers: &mut Handlers| {
        handlers.text(&selector("p"), |text| {
            assert!(text.as_str().len() < 100);
            Ok(())
        });
        Ok(())
    });
    let body = b"<p>\xe9\xff valid \xe2\x82</p>";
    let response = get(TransformChainLayer::new().rewrite(reads), || {
        html(None, body)
    })
    .await;
    assert_eq!(bytes(response).await, &body[..]);
}
