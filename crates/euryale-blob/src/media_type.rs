//! Media types of files.

use std::path::Path;

use http::HeaderValue;

/// Returns the media type that the ending of a file's name suggests, for
/// [`Blob::typed`](euryale_core::Blob::typed): `text/plain; charset=utf-8` for `notes.txt`.
///
/// Text is declared as UTF-8. For an unknown ending the type is `application/octet-stream`.
///
/// ```
/// use euryale_blob::media_type;
///
/// assert_eq!(media_type("pictures/onion.svg"), "image/svg+xml");
/// assert_eq!(media_type("notes.md"), "text/markdown; charset=utf-8");
/// assert_eq!(media_type("unknown"), "application/octet-stream");
/// ```
pub fn media_type(name: impl AsRef<Path>) -> HeaderValue {
    let media = mime_guess::from_path(name).first_or_octet_stream();
    let charset = if media.type_() == mime_guess::mime::TEXT {
        "; charset=utf-8"
    } else {
        ""
    };
    HeaderValue::try_from(format!("{media}{charset}"))
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}
