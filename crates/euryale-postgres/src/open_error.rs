//! Failures to open a database.

use std::error::Error as StdError;
use std::fmt;

use euryale_core::BoxError;

use crate::settings::SettingsError;

/// The database cannot be opened. The message is one line: which database, what is wrong, what to
/// do. The server's own error is the source.
#[derive(Debug)]
pub struct OpenError {
    /// The database, without its password.
    pub(crate) name: String,
    pub(crate) problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    Settings(SettingsError),
    /// The reason for each server that was tried. The last error is the source.
    Refused(Vec<String>, Option<BoxError>),
}

impl OpenError {
    pub(crate) fn settings(error: SettingsError) -> Self {
        Self {
            name: String::new(),
            problem: Problem::Settings(error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Settings(error) => error.fmt(f),
            Problem::Refused(reasons, _) => {
                write!(f, "database {}: {}", self.name, reasons.join("; "))
            }
        }
    }
}

impl StdError for OpenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.problem {
            Problem::Settings(_) => None,
            Problem::Refused(_, source) => source.as_ref().map(|source| &**source as _),
        }
    }
}
