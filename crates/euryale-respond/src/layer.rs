//! The layer.

use std::fmt;
use std::sync::Arc;

use euryale_core::{Error, Response};
use http::request;
use tower_layer::Layer;

use crate::log::Throttle;
use crate::page::{self, Asked, Page};
use crate::{Problem, Respond};

/// Turns errors into responses, so the service is infallible.
///
/// | error | status |
/// |---|---|
/// | queue full, waited too long, pool closed, database unavailable, conflicts exhausted | 503 with Retry-After |
/// | too many requests wait for promises | 503 with Retry-After |
/// | publish deadline | 504 |
/// | publisher panicked or failed, commit in doubt, critical transform failed | 500 |
/// | body too large, stalled | 413, 408 |
/// | no room for the body, or for what the publisher writes | 507 |
/// | too many passes, too many promises | 508 |
/// | malformed request | 400 |
/// | deferred failed before its first byte | 502 |
///
/// If the [transaction had ended](euryale_core::Error::is_after_transaction) and the method is not
/// safe, there is no Retry-After, and the text says that the request may have taken effect, so that
/// a client does not send it twice.
///
/// By default the response is a JSON problem (RFC 9457), or a plain page for clients that accept
/// HTML. It has no internal details; these are logged with the error's chain of sources. The
/// [`Code`](euryale_core::error::Code) is in the response's extensions.
#[derive(Clone, Default)]
#[doc(alias = "standard_error_message")]
#[must_use]
pub struct RespondLayer {
    page: Option<Page>,
    throttle: Arc<Throttle>,
}

impl RespondLayer {
    /// Creates a layer with the default responses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the function that makes the page for clients that accept HTML; others get the JSON
    /// problem. Status and Retry-After are set on the returned response. It runs on a runtime
    /// thread and must not block.
    pub fn page(mut self, page: impl Fn(&Problem) -> Response + Send + Sync + 'static) -> Self {
        self.page = Some(Arc::new(page));
        self
    }

    /// Returns the response to an error that occurs outside this layer.
    pub fn answer(&self, error: &Error, request: &request::Parts) -> Response {
        page::respond(
            &Problem::new(error, &Asked::of_parts(request)),
            self.page.as_ref(),
        )
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Respond<S> {
        Respond {
            inner,
            page: self.page.clone(),
            throttle: Arc::clone(&self.throttle),
            failed: None,
        }
    }
}

impl fmt::Debug for RespondLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondLayer")
            .field("has_page", &self.page.is_some())
            .finish()
    }
}
