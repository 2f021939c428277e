//! Standard output.

use std::io::Write;

/// Writes `text`. A closed output is not a reason to end.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
