//! The reason why the program did not start, or an import could not continue.

use std::error::Error;
use std::fmt;
use std::io;

/// The message is one line: what went wrong, where, and what to do.
#[derive(Debug)]
pub(crate) struct StartError {
    line: String,
}

impl StartError {
    pub(crate) fn new(
        what: impl fmt::Display,
        place: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self {
            line: format!("{what} - {place} - {remedy}"),
        }
    }

    /// An error of the system in something that every process does.
    pub(crate) fn of_system(what: &str, error: &io::Error) -> Self {
        let what = format!("cannot {what}: {error}");
        Self::new(what, "this process", "see the system's limits")
    }

    /// The database's error on opening names the file and what to do; its source gives the reason.
    pub(crate) fn database(error: &dyn Error) -> Self {
        let why = error
            .source()
            .map(|source| format!(" ({source})"))
            .unwrap_or_default();
        Self {
            line: format!("{error}{why}"),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some sources have more than one line to say.
        f.write_str(&self.line.replace('\n', " "))
    }
}
