//! Tests of the off switch.

use super::*;
use crate::TransformsOff;

fn chain() -> TransformChainLayer {
    TransformChainLayer::new()
        .transform_page(ends_with("one", 1, "1"))
        .transform_page(ends_with("two", 2, "2").critical())
        .trust_off_switch(|parts| parts.extensions.get::<&str>() == Some(&"trusted"))
}

#[tokio::test]
async fn a_publisher_can_switch_transforms_off() {
    for (off, left) in [
        (TransformsOff::all(), ""),
        (TransformsOff::only(["one"]), "2"),
        (TransformsOff::only(["one", "two"]), ""),
        (TransformsOff::only(["three"]), "12"),
    ] {
        let said = off.clone();
        let response = get(chain(), move || {
            let mut response = page("<p>");
            response.extensions_mut().insert(said.clone());
            response
        });
        assert_eq!(text(response.await).await, format!("<p>{left}"));
        let mut request = http::Request::new(());
        request.extensions_mut().insert(off);
        let response = around(chain(), |_| page("<p>"))
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(
            text(response).await,
            format!("<p>{left}"),
            "and so does a layer outside"
        );
    }
}

#[tokio::test]
async fn the_header_is_accepted_only_from_trusted_peers_and_not_passed_on() {
    let service = around(chain(), |request| {
        assert!(!request.headers().contains_key("transform-off"));
        page("<p>")
    });
    for (value, left) in [
        ("all", ""),
        ("one", "2"),
        (" two , one ", ""),
        ("", "12"),
        ("\u{e9}", "12"),
    ] {
        for trusted in [true, false] {
            let mut request = http::Request::builder()
                .header("transform-off", value.as_bytes())
                .body(())
                .unwrap();
            if trusted {
                request.extensions_mut().insert("trusted");
            }
            let response = service.clone().oneshot(request).await.unwrap();
            let expected = if trusted { left } else { "12" };
            assert_eq!(
                text(response).await,
                format!("<p>{expected}"),
                "{value} {trusted}"
            );
        }
    }
}
