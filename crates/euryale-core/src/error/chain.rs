//! Finds our errors inside the wrappers of middleware.

use std::error::Error as StdError;
use std::io;

use super::{BoxError, Code, Error};

impl Error {
    /// Converts the error of a body. If there is an [`Error`] anywhere in its chain of sources, the
    /// result has the code and the sentence for the client of that error; otherwise its code is
    /// `otherwise`.
    ///
    /// Middleware wraps the errors of bodies: behind an axum `Router` each is inside an
    /// `axum::Error`, and a reader puts it into an [`io::Error`]. The wrapper becomes the source.
    ///
    /// ```
    /// use euryale_core::error::{APPLICATION, BODY_STALLED};
    /// use euryale_core::{BoxError, Error};
    ///
    /// let stalled: BoxError = Error::new(BODY_STALLED).into();
    /// let wrapped = std::io::Error::other(stalled);
    /// let error = Error::of_body(wrapped.into(), APPLICATION);
    /// assert!(error.is(BODY_STALLED));
    /// ```
    pub fn of_body(error: BoxError, otherwise: Code) -> Self {
        let wrapped = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(wrapped) => wrapped,
        };
        let found = own_in(&*wrapped).map(|own| (own.code(), own.inner.told.clone()));
        let (code, told) = found.unwrap_or((otherwise, None));
        let mut error = Self::with_source(code, wrapped);
        error.inner.told = told;
        error
    }
}

/// Returns the first [`Error`] in a chain of sources.
fn own_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    std::iter::successors(Some(error), |&error| cause(error)).find_map(|error| error.downcast_ref())
}

/// Returns the cause of an error. `io::Error::source` would skip the error that it wraps.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{BODY_STALLED, Class};

    const TOO_LARGE: Code = Code::new(Class::TooLarge, "test.too_large", "too large");
    const MALFORMED: Code = Code::new(Class::Malformed, "test.malformed", "malformed");

    fn code(error: impl Into<BoxError>) -> Code {
        Error::of_body(error.into(), MALFORMED).code()
    }

    #[test]
    fn code_of_a_body_error_is_found_however_it_is_wrapped() {
        let stalled = || Error::new(BODY_STALLED);
        assert_eq!(code(stalled()), BODY_STALLED);
        assert_eq!(code(io::Error::other(stalled())), BODY_STALLED);
        let twice = io::Error::other(io::Error::other(stalled()));
        assert_eq!(code(twice), BODY_STALLED);
        assert_eq!(code(io::Error::other("noise")), MALFORMED);
        assert_eq!(code("noise"), MALFORMED);
    }

    #[test]
    fn sentence_for_the_client_survives_the_wrapping() {
        let told = Error::new(TOO_LARGE).telling("At most 3 bytes.");
        let error = Error::of_body(io::Error::other(told).into(), MALFORMED);
        assert_eq!(error.told(), Some("At most 3 bytes."));
        let source = StdError::source(&error).unwrap();
        assert!(source.is::<io::Error>());
    }
}
