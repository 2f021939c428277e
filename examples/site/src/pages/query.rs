//! Parses the query of a request strictly: an invalid value is reported, never guessed.

use std::str::FromStr;

use http::Uri;

/// Returns whether there is a parameter `name`, with any value.
pub(crate) fn names(uri: &Uri, name: &str) -> bool {
    form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).any(|(key, _)| key == name)
}

/// The value of the parameter `name`, if it is there, read as a `T`.
///
/// Other parameters are ignored.
///
/// # Errors
/// A sentence with what to write instead, if it occurs twice or is not a `T`. `wanted` completes
/// "must be".
pub(crate) fn parameter<T: FromStr>(
    uri: &Uri,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, String> {
    let query = form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
    let mut values = query.filter(|(key, _)| key == name).map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(format!(
            "The parameter {name} was given twice; give it once."
        ));
    }
    value
        .parse()
        .map(Some)
        .map_err(|_| format!("The parameter {name} must be {wanted}."))
}
