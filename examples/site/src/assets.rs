//! Files that belong to the program: served from memory, beside the stack, without a worker.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");

/// Another text has another address, so browsers may keep each for a year, the longest that is usual (RFC
/// 9111 §1.2.2 sets no limit), and never ask again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Where the style sheet is.
pub(crate) fn style_path() -> String {
    path(STYLE, "style.css")
}

/// Where the icon is.
pub(crate) fn icon_path() -> String {
    path(ICON, "icon.svg")
}

/// Serves the assets.
pub(crate) fn routes() -> Router {
    let file = |text, content_type| {
        let headers =
            [(CONTENT_TYPE, content_type), (CACHE_CONTROL, FOREVER), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
        get(move || async move { (headers, text).into_response() })
    };
    Router::new()
        .route(&style_path(), file(STYLE, "text/css; charset=utf-8"))
        .route(&icon_path(), file(ICON, "image/svg+xml"))
}

fn path(text: &str, name: &str) -> String {
    format!("/@@assets/{:016x}/{name}", fingerprint(text.as_bytes()))
}

/// FNV-1a: enough to tell versions of one file apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
