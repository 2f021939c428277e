//! `/@@visitor`: the client's address and the page's, as far as the site knows them. It shows
//! whether a proxy is set up correctly.

use axum::response::{IntoResponse, Response};
use euryale::forwarded::{Client, PublicUrl};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde_json::json;

/// The cookie that counts visits.
const VISITS: &str = "visits";

/// The addresses of the client, the site and this page, and the number of the browser's visits.
/// They are counted by a cookie, which shows whether cookies come back.
pub(crate) async fn answer(client: Client, url: PublicUrl, headers: HeaderMap) -> Response {
    let visits = visits(&headers) + 1;
    let here = url.url(&format!("{}/@@visitor", url.root()));
    let seen = json!({
        "client": client.to_string(),
        "site": url.to_string(),
        "here": here,
        "visits": visits,
    });
    let cookie = format!(
        "{VISITS}={visits}; {}; HttpOnly; SameSite=Lax",
        url.cookie_attributes()
    );
    let json = "application/json".to_owned();
    let headers = [
        (CONTENT_TYPE, json),
        (CACHE_CONTROL, "no-store".to_owned()),
        (SET_COOKIE, cookie),
    ];
    (headers, format!("{seen}\n")).into_response()
}

fn visits(headers: &HeaderMap) -> u32 {
    // As bytes, because the cookie of another application may contain any bytes and must not hide
    // this one.
    let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii);
    let value = pairs
        .filter_map(|pair| pair.strip_prefix(VISITS.as_bytes())?.strip_prefix(b"="))
        .next()
        .and_then(|value| str::from_utf8(value).ok()?.parse::<u32>().ok());
    // The browser may have changed the value in any way.
    value.unwrap_or(0).min(999_999)
}
