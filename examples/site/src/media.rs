//! Media types of files.

/// By the ending of a name; what is not known is bytes. Texts are taken for UTF-8.
pub(crate) fn of_name(name: &str) -> &'static str {
    match mime_guess::from_path(name).first_raw() {
        Some("text/plain") => "text/plain; charset=utf-8",
        Some("text/html") => "text/html; charset=utf-8",
        Some("text/css") => "text/css; charset=utf-8",
        Some(other) => other,
        None => "application/octet-stream",
    }
}
