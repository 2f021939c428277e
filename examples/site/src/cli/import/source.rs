//! The paths of what is imported, as messages name them.

use std::path::Path;

use crate::pages::address;

/// A path in one line, whatever its bytes are, without invisible characters.
pub(super) fn shown(path: &Path) -> String {
    let is_plain = |c: char| !c.is_control() && !address::misleads(c);
    match path.to_str() {
        Some(text) if text.chars().all(is_plain) => text.to_owned(),
        _ => format!("{path:?}"),
    }
}
