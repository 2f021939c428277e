//! A publisher's argument and its result.

use crate::body::{Body, SpooledBody};

/// A publisher's argument: a request whose body is complete and can be read again.
///
/// `Request<B>` has another body type, for requests outside the spool.
pub type Request<B = SpooledBody> = http::Request<B>;

/// A publisher's result.
///
/// `Response<B>` has another body type, for responses in third-party middleware.
///
/// ```
/// use euryale_core::{Body, Response};
///
/// let moved = Response::builder().status(303).header("location", "/").body(Body::default())?;
/// assert_eq!(moved.status(), 303);
/// # Ok::<(), http::Error>(())
/// ```
pub type Response<B = Body> = http::Response<B>;
