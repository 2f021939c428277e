//! Finds one of our errors inside the wrappers of middleware.

use std::error::Error as StdError;
use std::io;

use super::{BoxError, Error, ErrorKind};

impl Error {
    /// Converts the error of a body. If an [`Error`] is anywhere in its chain of sources, the
    /// result has that one's kind and sentence for the client; otherwise its kind is `otherwise`.
    ///
    /// Middleware wraps the errors of bodies: behind an axum `Router` each is inside an
    /// `axum::Error`, and a reader puts it into an [`io::Error`]. The wrapper becomes the source.
    ///
    /// ```
    /// use euryale_core::{BoxError, Error, ErrorKind};
    ///
    /// let stalled: BoxError = Error::new(ErrorKind::BodyStalled).into();
    /// let wrapped = std::io::Error::other(stalled);
    /// let error = Error::of_body(wrapped.into(), ErrorKind::Malformed);
    /// assert_eq!(error.kind(), ErrorKind::BodyStalled);
    /// ```
    pub fn of_body(error: BoxError, otherwise: ErrorKind) -> Self {
        let wrapped = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(wrapped) => wrapped,
        };
        let found = own_in(&*wrapped).map(|own| (own.kind(), own.inner.told.clone()));
        let (kind, told) = found.unwrap_or((otherwise, None));
        let mut error = Self::with_source(kind, wrapped);
        error.inner.told = told;
        error
    }
}

/// The first error of ours in a chain of sources.
fn own_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    std::iter::successors(Some(error), |&error| cause(error)).find_map(|error| error.downcast_ref())
}

/// The cause of an error. `io::Error::source` skips the error that it wraps.
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

    fn kind(error: impl Into<BoxError>) -> ErrorKind {
        Error::of_body(error.into(), ErrorKind::Malformed).kind()
    }

    #[test]
    fn kind_of_a_body_error_is_found_however_it_is_wrapped() {
        let stalled = || Error::new(ErrorKind::BodyStalled);
        assert_eq!(kind(stalled()), ErrorKind::BodyStalled);
        assert_eq!(kind(io::Error::other(stalled())), ErrorKind::BodyStalled);
        let twice = io::Error::other(io::Error::other(stalled()));
        assert_eq!(kind(twice), ErrorKind::BodyStalled);
        assert_eq!(kind(io::Error::other("noise")), ErrorKind::Malformed);
        assert_eq!(kind("noise"), ErrorKind::Malformed);
    }

    #[test]
    fn sentence_for_the_client_survives_the_wrapping() {
        let told = Error::new(ErrorKind::BodyTooLarge).telling("At most 3 bytes.");
        let error = Error::of_body(io::Error::other(told).into(), ErrorKind::Malformed);
        assert_eq!(error.told(), Some("At most 3 bytes."));
        let source = StdError::source(&error).unwrap();
        assert!(source.is::<io::Error>());
    }
}
