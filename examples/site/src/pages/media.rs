//! Media types of files.

use std::borrow::Cow;

/// By the ending of a name; an unknown one means bytes.
pub(crate) fn of_name(name: &str) -> &'static str {
    mime_guess::from_path(name)
        .first_raw()
        .unwrap_or("application/octet-stream")
}

/// The type as it is sent: texts are declared as UTF-8, also those that were stored before types
/// had a charset.
pub(crate) fn sent(content_type: &str) -> Cow<'_, str> {
    if content_type.starts_with("text/") && !content_type.contains("charset") {
        format!("{content_type}; charset=utf-8").into()
    } else {
        content_type.into()
    }
}
