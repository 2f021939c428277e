//! Makes the requests of transforms to the site itself.

use euryale_core::Body;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, request};

/// Fields that concern only the page's own request: its body, the encoding of its answer, and its
/// cached copy. RFC 9110 §13 and §14 (conditions and ranges), §8 and §12.5; RFC 9112 and RFC 9110
/// §7.6.1 (the socket).
const OWN: [HeaderName; 28] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::ORIGIN,
    header::PRAGMA,
    header::RANGE,
    header::SEC_WEBSOCKET_KEY,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::UPGRADE_INSECURE_REQUESTS,
    HeaderName::from_static("keep-alive"),
    // Offers of a proxy to send files, because the answer to a sub-request does not go to the
    // proxy.
    HeaderName::from_static("x-sendfile-type"),
];

/// Returns a GET request for `uri` on behalf of the client that sent `page`. Send it through
/// [`Internal`](euryale_core::request::Internal). It has the same cookies, language, credentials
/// and client, and the extensions of the page's request. Conditions, ranges, codings, and fields
/// about the page's own body and socket are left out. It accepts HTML.
///
/// Its route is that of the page; set another one in its extensions if needed.
pub fn sub_request(page: &request::Parts, uri: Uri) -> http::Request<Body> {
    let mut request = http::Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    *request.version_mut() = page.version;
    *request.headers_mut() = headers(&page.headers);
    *request.extensions_mut() = page.extensions.clone();
    request
}

fn headers(page: &HeaderMap) -> HeaderMap {
    // Fields that `Connection` lists also concern only the socket (RFC 9110 §7.6.1).
    let named = page
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let is_own = |name: &HeaderName| {
        let text = name.as_str();
        OWN.contains(name)
            || text.starts_with("proxy-")
            || text.starts_with("sec-fetch-")
            || text.starts_with("x-accel-")
            || named.iter().any(|other| other.eq_ignore_ascii_case(text))
    };
    let mut headers: HeaderMap = page
        .iter()
        .filter(|(name, _)| !is_own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
    headers
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    #[test]
    fn a_sub_request_keeps_the_client_but_not_the_pages_own_fields() {
        let page = Request::post("/page")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("accept-language", "de")
            .header("authorization", "Basic x")
            .header("user-agent", "test")
            .header("host", "site")
            .header("x-forwarded-for", "192.0.2.1")
            .header("accept", "image/png")
            .header("accept-encoding", "gzip")
            .header("if-none-match", "\"x\"")
            .header("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT")
            .header("if-match", "*")
            .header("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT")
            .header("if-range", "\"x\"")
            .header("range", "bytes=0-1")
            .header("content-length", "3")
            .header("content-type", "text/plain")
            .header("transfer-encoding", "chunked")
            .header("expect", "100-continue")
            .header("connection", "close, X-Hop")
            .header("x-hop", "1")
            .header("sec-fetch-mode", "navigate")
            .header("x-sendfile-type", "X-Sendfile")
            .header("x-accel-mapping", "/=/")
            .extension("the program's")
            .body(())
            .unwrap();
        let request = super::sub_request(&page.into_parts().0, "/tile?x=1".parse().unwrap());
        assert_eq!(
            (request.method(), request.uri().to_string().as_str()),
            (&Method::GET, "/tile?x=1")
        );
        let mut headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                ("accept", "text/html"),
                ("accept-language", "de"),
                ("authorization", "Basic x"),
                ("cookie", "a=1"),
                ("cookie", "b=2"),
                ("host", "site"),
                ("user-agent", "test"),
                ("x-forwarded-for", "192.0.2.1"),
            ]
        );
        assert_eq!(request.extensions().get::<&str>(), Some(&"the program's"));
    }
}
