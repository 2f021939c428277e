//! Fingerprints of texts, and of the page that a client has.

use euryale::{Body, Response};
use http::header::ETAG;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::conditions;
use crate::page::html;

/// FNV-1a: enough to tell versions of one text apart.
pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let bytes = texts.into_iter().flat_map(str::bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The page with a tag, or 304 for a client that has it already (RFC 9110 §13.1.2). The tag is
/// weak: a theme and a coding may come over the page.
pub(crate) fn tagged(page: String, headers: &HeaderMap) -> Response {
    let tag = of([page.as_str()]);
    let is_known = conditions::is_known(headers, &tag);
    let mut response = if is_known {
        Response::new(Body::empty())
    } else {
        html(StatusCode::OK, page)
    };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    // A tag in hexadecimal digits is a header's value.
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{tag}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;
    use http::{HeaderMap, HeaderValue};

    use super::{of, tagged};

    #[test]
    fn page_is_known_by_a_tag_and_not_by_what_is_between_two() {
        let tag = of(["page"]);
        for (line, status) in [
            (format!("\"{tag}\""), 304),
            (format!("W/\"{tag}\""), 304),
            (format!("\"a\", W/\"{tag}\""), 304),
            ("*".to_owned(), 304),
            (format!("\"a\"{tag}\"b\""), 200),
            (format!("\"{tag}"), 200),
            (tag.clone(), 200),
            ("\"a\"".to_owned(), 200),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::try_from(&line).unwrap());
            let answer = tagged("page".to_owned(), &headers);
            assert_eq!(answer.status(), status, "{line}");
        }
    }
}
