//! Reads the site's answers to sub-requests.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use euryale_core::{Body, BoxError, Response};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;

use crate::text;

/// The reason why an answer is not an HTML document.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubResponseError {
    /// The answer has this status instead of 200.
    Status(StatusCode),
    /// The answer is not HTML, or has a content coding or an unknown charset.
    NotHtml,
    /// The answer is not valid text in its declared charset.
    NotText,
    /// The answer exceeds the limit.
    TooLarge,
    /// The answer broke off.
    Failed(BoxError),
}

impl fmt::Display for SubResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it was answered {status}"),
            Self::NotHtml => f.write_str("it is not HTML"),
            Self::NotText => f.write_str("it is not text in its charset"),
            Self::TooLarge => f.write_str("it is too large"),
            Self::Failed(_) => f.write_str("it broke off"),
        }
    }
}

impl std::error::Error for SubResponseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Reads the HTML of the answer to a [`sub_request`](crate::sub_request), up to `limit` bytes. It
/// is decoded by the charset that its `Content-Type` declares, or else as UTF-8.
///
/// The caching rules are in the headers: read them with [`Caching::of`](crate::Caching::of) first.
///
/// # Errors
/// The answer is not a whole, unencoded HTML document with the status 200.
pub async fn read_html(response: Response, limit: usize) -> Result<String, SubResponseError> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(SubResponseError::Status(head.status));
    }
    if head.headers.contains_key(CONTENT_ENCODING) || !text::is_html(&head.headers) {
        return Err(SubResponseError::NotHtml);
    }
    let charset = text::charset(&head.headers).ok_or(SubResponseError::NotHtml)?;
    if declared(&head.headers).is_some_and(|length| length > limit as u64) {
        return Err(SubResponseError::TooLarge);
    }
    let read = collect(body, limit as u64).await?;
    text::decode(&read, charset).ok_or(SubResponseError::NotText)
}

async fn collect(mut body: Body, limit: u64) -> Result<Vec<Bytes>, SubResponseError> {
    if body.size_hint().lower() > limit {
        return Err(SubResponseError::TooLarge);
    }
    let mut read = Vec::new();
    let mut length = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // Trailers describe the original answer.
        if let Ok(data) = frame.map_err(SubResponseError::Failed)?.into_data() {
            length += data.len() as u64;
            read.push(data);
            if length > limit {
                return Err(SubResponseError::TooLarge);
            }
        }
    }
    Ok(read)
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
