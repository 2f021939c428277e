//! An error for a line of the log.

use std::error::Error as StdError;
use std::fmt;

/// Displays an error and its sources on one line, separated by colons. For logs, never for clients.
///
/// ```
/// use euryale_core::Error;
/// use euryale_core::error::{APPLICATION, ErrorChain};
///
/// let error = Error::with_source(APPLICATION, "no such table");
/// assert_eq!(ErrorChain::new(&error).to_string(), format!("{error}: no such table"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ErrorChain<'a>(&'a (dyn StdError + 'static));

impl<'a> ErrorChain<'a> {
    /// Wraps the outermost error.
    pub fn new(error: &'a (dyn StdError + 'static)) -> Self {
        Self(error)
    }
}

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
