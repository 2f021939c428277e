//! The publisher's reasons for not committing its transaction.

use std::fmt;

use crate::body::Body;
use crate::error::{BoxError, Pending};
use crate::request::Response;

/// The reason why a transaction is rolled back: an error, a response, or an unresolved promise.
///
/// `?` turns every `std::error::Error + Send + Sync` and every [`Pending`] into an `Abort`. Boxed
/// errors and `anyhow::Error` are not `std::error::Error`s themselves: for these see [`OrAbort`].
///
/// ```
/// use euryale_core::Abort;
///
/// fn parse(text: &str) -> Result<u32, Abort> {
///     if text.is_empty() {
///         return Err(Abort::status(http::StatusCode::NOT_FOUND));
///     }
///     Ok(text.parse()?)
/// }
/// assert!(parse("x").is_err());
/// ```
pub struct Abort {
    pub(crate) reason: Reason,
}

pub(crate) enum Reason {
    Error(BoxError),
    Response(Box<Response>),
    Suspend(Pending),
}

impl Abort {
    /// Rolls back and answers with `response`, for example "not found", "unauthorized" or a
    /// redirect.
    pub fn response(response: impl Into<Response>) -> Self {
        Self {
            reason: Reason::Response(Box::new(response.into())),
        }
    }

    /// Rolls back and answers with an empty response of this status.
    pub fn status(status: http::StatusCode) -> Self {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Self::response(response)
    }

    /// Rolls back because of `error`, which is logged and answered with 500, or retried if the
    /// database classifies it as a conflict.
    pub fn error(error: impl Into<BoxError>) -> Self {
        Self {
            reason: Reason::Error(error.into()),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Abort {
    fn from(error: E) -> Self {
        Self::error(error)
    }
}

impl From<Pending> for Abort {
    fn from(pending: Pending) -> Self {
        Self {
            reason: Reason::Suspend(pending),
        }
    }
}

impl fmt::Debug for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Error(error) => f.debug_tuple("Abort::error").field(error).finish(),
            Reason::Response(response) => f
                .debug_tuple("Abort::response")
                .field(&response.status())
                .finish(),
            Reason::Suspend(pending) => pending.fmt(f),
        }
    }
}

/// Makes `?` work for errors that are not `std::error::Error`s: boxed errors and `anyhow::Error`.
///
/// ```
/// use euryale_core::{Abort, BoxError, OrAbort};
///
/// fn load() -> Result<u32, BoxError> { Err("no such row".into()) }
/// fn publish() -> Result<u32, Abort> { Ok(load().or_abort()?) }
/// assert!(publish().is_err());
/// ```
pub trait OrAbort<T> {
    /// Returns the value, or an [`Abort`] because of the error.
    ///
    /// # Errors
    /// The error, as an [`Abort`].
    fn or_abort(self) -> Result<T, Abort>;
}

impl<T, E: Into<BoxError>> OrAbort<T> for Result<T, E> {
    fn or_abort(self) -> Result<T, Abort> {
        self.map_err(Abort::error)
    }
}

/// Makes `?` work for a value that may be missing, such as a page or a form field.
///
/// It is only for options, because a `Result` may contain a database conflict, which must reach the
/// stack unchanged to be retried. If the error says no more than the status, call `ok()` first.
///
/// ```
/// use euryale_core::{Abort, OrStatus};
/// use http::StatusCode;
///
/// fn number(text: Option<&str>) -> Result<u32, Abort> {
///     let text = text.or_status(StatusCode::NOT_FOUND)?;
///     text.parse().ok().or_status(StatusCode::BAD_REQUEST)
/// }
/// assert_eq!(number(Some("7")).unwrap(), 7);
/// assert!(number(None).is_err() && number(Some("x")).is_err());
/// ```
pub trait OrStatus<T> {
    /// Returns the value, or an [`Abort`] with an empty response of this status.
    ///
    /// # Errors
    /// The value is missing.
    fn or_status(self, status: http::StatusCode) -> Result<T, Abort>;
}

impl<T> OrStatus<T> for Option<T> {
    fn or_status(self, status: http::StatusCode) -> Result<T, Abort> {
        self.ok_or_else(|| Abort::status(status))
    }
}
