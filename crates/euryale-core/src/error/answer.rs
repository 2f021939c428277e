//! Converts errors to responses and back, for places where only responses can pass, such as a
//! router's handlers.

use std::sync::PoisonError;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};

use super::abort::{Abort, Reason};
use super::{Carried, Error, ErrorChain, Level, REFUSED};
use crate::body::{Body, TakeOnce};
use crate::request::Response;

impl Error {
    /// Creates the error for an abort with a response, in a place where only a value can be
    /// returned. `RespondLayer` sends the response.
    pub fn refused(response: Response) -> Self {
        Self::build(REFUSED, None, Carried::Response(Box::new(response)))
    }

    /// Takes the response that this error carries, if it was an abort with a response. Returns it
    /// only once.
    pub fn take_response(&mut self) -> Option<Response> {
        let carried = self
            .inner
            .carried
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(carried, Carried::Nothing) {
            Carried::Response(response) => response.downcast().ok().map(|response| *response),
            other => {
                *carried = other;
                None
            }
        }
    }

    /// Returns the error of a service, or the one that `Response::from(error)` has left in a
    /// response. The latter counts only while the response still has the error's status.
    ///
    /// For use between one of our layers and an axum router, whose own error is `Infallible`:
    /// `ServiceBuilder::map_result(Error::raise)`. So a conflict in a handler is retried, and a
    /// promise that it asked for is resolved. `RespondLayer` does this by itself.
    ///
    /// Middleware from axum's `from_fn` takes no errors. Inside it, `HandleErrorLayer::new(async
    /// |error: Error| error)` turns them into responses, and outside it, this function turns them
    /// into errors again.
    ///
    /// # Errors
    /// The error of the service or of the response.
    pub fn raise<B, E: Into<Self>>(
        result: Result<http::Response<B>, E>,
    ) -> Result<http::Response<B>, Self> {
        let response = result.map_err(Into::into)?;
        let Some(untold) = response.extensions().get::<Untold>() else {
            return Ok(response);
        };
        let status = response.status();
        let Some(mut unlogged) = untold.0.take() else {
            return Ok(response);
        };
        match unlogged.0.take_if(|error| error.class().status() == status) {
            Some(error) => Err(error),
            // Other code has replaced the response. The error is logged now, when it is dropped.
            None => Ok(response),
        }
    }
}

impl From<Error> for Response {
    /// Makes a response in places without a `RespondLayer`: the status, Retry-After and a JSON
    /// problem (RFC 9457), or the response that the error carries. It reveals no internals.
    ///
    /// The error itself and its [`Code`](super::Code) are in the response's extensions. An outer
    /// layer can take the error by [`Error::raise`]; if none does, it is logged when the response
    /// is dropped.
    fn from(mut error: Error) -> Self {
        if let Some(response) = error.take_response() {
            return response;
        }
        let class = error.class();
        let status = class.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let problem = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}}}\n",
            status.as_u16()
        );
        let mut response = Self::new(Body::from(problem));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // The method is not known here, so the client is not invited to repeat a request that may
        // have been carried out (RFC 9110 §9.2.2).
        if let Some(after) = class
            .retry_after()
            .filter(|_| !error.is_after_transaction())
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response.extensions_mut().insert(error.code());
        response
            .extensions_mut()
            .insert(Untold(TakeOnce::new(Unlogged(Some(error)))));
        response
    }
}

impl From<Abort> for Error {
    /// Makes the response of an abort outside a transaction.
    fn from(abort: Abort) -> Self {
        match abort.reason {
            Reason::Error(error) => error.into(),
            Reason::Response(response) => Self::refused(*response),
            Reason::Suspend(pending) => Self::suspended(pending),
        }
    }
}

/// The error in the extensions of a response that was made from it.
#[derive(Clone)]
struct Untold(TakeOnce<Unlogged>);

struct Unlogged(Option<Error>);

impl Drop for Unlogged {
    fn drop(&mut self) {
        let Some(error) = self.0.take() else { return };
        let cause = ErrorChain::new(&error);
        match error.code().level() {
            // Such errors are counted in the ledger, and there are usually many at once.
            Level::Overload => tracing::debug!("overloaded: {cause}"),
            Level::Info => tracing::info!("request failed: {cause}"),
            Level::Warn => tracing::warn!("request failed: {cause}"),
            Level::Error => tracing::error!("request failed: {cause}"),
        }
    }
}
