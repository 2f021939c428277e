//! `/@@visitor`: who you are and where you are, as far as the site knows. What a proxy is set up
//! for is seen here.

use axum::response::{IntoResponse, Response};
use euryale::forwarded::{Client, PublicUrl};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use serde_json::json;

/// The cookie that counts visits.
const VISITS: &str = "visits";

/// The client's address, the site's, this page's, and how often the browser was here: a cookie
/// counts, so it is seen whether cookies come back.
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
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let value = pairs
        .find(|(name, _)| *name == VISITS)
        .and_then(|(_, value)| value.parse::<u32>().ok());
    // Whatever a browser may have made of it.
    value.unwrap_or(0).min(999_999)
}
