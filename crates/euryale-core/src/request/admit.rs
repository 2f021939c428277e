//! Decides whether a request's body is read at all.

use std::sync::Arc;

use crate::error::Error;

/// Asked before the first byte of a request's body is read, and so before `100 Continue` is sent
/// (RFC 9110 §10.1.1).
///
/// A refusal is answered at once and the connection is closed, so that the server does not receive
/// an upload in vain.
pub trait Admit: Send + Sync + 'static {
    /// Checks the head of a request.
    ///
    /// # Errors
    /// The reason why the request is refused.
    fn check(&self, parts: &http::request::Parts) -> Result<(), Error>;
}

impl<F> Admit for F
where
    F: Fn(&http::request::Parts) -> Result<(), Error> + Send + Sync + 'static,
{
    fn check(&self, parts: &http::request::Parts) -> Result<(), Error> {
        self(parts)
    }
}

impl<A: Admit + ?Sized> Admit for Arc<A> {
    fn check(&self, parts: &http::request::Parts) -> Result<(), Error> {
        (**self).check(parts)
    }
}
