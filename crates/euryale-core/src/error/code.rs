//! Error codes: an open list, to which every crate adds its own.

use std::fmt;

use super::Class;

/// Says what happened. A code is a `const` in the crate that raises the error, next to the place
/// that raises it.
///
/// It contains everything that the stack needs to answer and to log the error: the [`Class`] (and
/// so the status), a name, a sentence for the client, a text for the log, and a [`Level`]. No other
/// crate has to be changed for a new code:
///
/// ```
/// use euryale_core::error::{Class, Code, Level};
/// use euryale_core::{Error, Response};
///
/// /// The mail server refused a mail.
/// pub const MAIL_REFUSED: Code =
///     Code::new(Class::Upstream, "mail.refused", "the mail server refused a mail")
///         .telling("Your mail could not be sent. Try again later.")
///         .logged_at(Level::Warn);
///
/// let error = Error::with_source(MAIL_REFUSED, "452 insufficient system storage");
/// assert!(error.is(MAIL_REFUSED));
/// assert_eq!(error.to_string(), "the mail server refused a mail");
/// assert_eq!(Response::from(error).status(), 502);
/// ```
///
/// Codes are equal if all of these parts are equal. A `const` can also be a pattern of `match`:
///
/// ```
/// use euryale_core::error::{Code, ELAPSED, LANE_FULL};
///
/// fn label(code: Code) -> &'static str {
///     match code {
///         LANE_FULL => "full",
///         ELAPSED => "elapsed",
///         _ => "error",
///     }
/// }
/// assert_eq!(label(LANE_FULL), "full");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct Code {
    class: Class,
    level: Level,
    name: &'static str,
    text: &'static str,
    sentence: &'static str,
}

/// How an error is logged, once it becomes a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Refused load. Many such errors occur at once, and the ledger counts them: `RespondLayer`
    /// logs at most one a second, as a warning.
    Overload,
    /// The error was caused by the client or is expected: INFO.
    Info,
    /// A limit worked as intended: WARN.
    Warn,
    /// An operator should look at the error: ERROR.
    Error,
}

impl Code {
    /// Creates a code with its name and its text for the log.
    ///
    /// The name identifies the code for programs: the crate, a dot, and what happened, in lower
    /// case (`mail.refused`). The text is a clause without a full stop, which the log continues
    /// with the error's sources. The sentence for the client and the level are those of the class.
    pub const fn new(class: Class, name: &'static str, text: &'static str) -> Self {
        Self {
            class,
            level: class.level(),
            name,
            text,
            sentence: class.sentence(),
        }
    }

    /// Sets a sentence or two for the client: what happened, and what to do. They must not reveal
    /// internals.
    pub const fn telling(mut self, sentence: &'static str) -> Self {
        self.sentence = sentence;
        self
    }

    /// Sets the level at which the error is logged.
    pub const fn logged_at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Returns the class, which says what a client may do.
    pub const fn class(self) -> Class {
        self.class
    }

    /// Returns the name for programs, such as `core.conflict`.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the sentence for the client.
    pub const fn sentence(self) -> &'static str {
        self.sentence
    }

    /// Returns the level at which the error is logged.
    pub const fn level(self) -> Level {
        self.level
    }
}

/// Writes the text for the log.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Writes the name.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Code").field(&self.name).finish()
    }
}
