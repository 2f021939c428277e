//! Requests that the application makes to itself.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;
use tower_service::Service;

use crate::body::Body;
use crate::error::{Abort, Error};
use crate::request::{RequestContext, Response};
use crate::transaction::{Attempt, History, SnapshotPin};

type BoxFuture = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// A handle for requests to the application itself, for tiles, themes and tasks.
///
/// A stack [attaches](Self::attach) it to its requests, where [`of`](Self::of) finds it. A
/// sub-request enters inside the transform chain and takes an ordinary place in the queue: never
/// wait for one in a worker, which holds a permit already.
///
/// Clones are handles to the same service.
#[derive(Clone)]
pub struct Internal {
    way: Arc<Way>,
}

struct Way {
    service: Arc<dyn CloneAndCall>,
    room: Option<Box<dyn Fn() -> usize + Send + Sync>>,
}

/// Marks a request that was made through [`Internal`]. A type in the extensions, so no header and
/// no URL can forge it.
///
/// A view that serves only internal requests begins with [`require`](InternalRequest::require):
///
/// ```
/// use euryale_core::request::InternalRequest;
/// use euryale_core::{Abort, Body, Database, Request, Response, Transaction};
///
/// fn news<D: Database>(request: &Request, _: &mut Transaction<'_, D>) -> Result<Response, Abort> {
///     InternalRequest::require(request)?; // 404 from outside
///     Ok(Response::new(Body::from("<p>News</p>")))
/// }
/// # fn is_publisher<D: Database, P: euryale_core::Publisher<D>>(_: P) {}
/// # fn check<D: Database>() { is_publisher::<D, _>(news::<D>) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalRequest {
    depth: u32,
}

impl InternalRequest {
    /// Returns the mark in these extensions of a request, if it was made through [`Internal`].
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// Returns the mark for a sub-request on behalf of a request whose extensions are `from`.
    #[must_use]
    pub fn below(from: &Extensions) -> Self {
        Self {
            depth: Self::of(from)
                .map_or(0, |mark| mark.depth)
                .saturating_add(1),
        }
    }

    /// Checks that the request was made by the application itself.
    ///
    /// # Errors
    /// A 404 for a request from outside, so that its client does not even learn that the view
    /// exists.
    pub fn require<B>(request: &http::Request<B>) -> Result<Self, Abort> {
        Self::of(request.extensions()).ok_or_else(|| Abort::status(http::StatusCode::NOT_FOUND))
    }

    /// Returns the depth: 1 for a sub-request of a request from outside.
    pub fn depth(&self) -> u32 {
        self.depth
    }
}

impl Internal {
    /// Creates a handle that sends sub-requests to `service`.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = Response> + Clone + Send + Sync + 'static,
        S::Error: Into<Error>,
        S::Future: Send,
    {
        Self {
            way: Arc::new(Way {
                service: Arc::new(service),
                room: None,
            }),
        }
    }

    /// Returns the handle that is attached to the request with these extensions, or was inserted
    /// into them.
    ///
    /// `extensions.get::<Internal>()` does not find the one that a stack attaches, because it is in
    /// the [`RequestContext`]: a separate extension would make every copy of a head more expensive.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        // A handle that was inserted after another had been attached is the inner one.
        let inserted = extensions.get::<Self>().cloned();
        inserted.or_else(|| {
            let way = RequestContext::get_shared(extensions)?;
            Some(Self { way })
        })
    }

    /// Attaches this handle to the request with these extensions, in place of another one.
    pub fn attach(&self, extensions: &mut Extensions) {
        extensions.remove::<Self>();
        RequestContext::insert(extensions, Arc::clone(&self.way));
    }

    /// Sets the function that returns how many sub-requests would be published at once if they were
    /// made now: the number of connections that are neither in use nor awaited.
    #[must_use]
    pub fn with_room(self, room: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self {
            way: Arc::new(Way {
                service: Arc::clone(&self.way.service),
                room: Some(Box::new(room)),
            }),
        }
    }

    /// Returns how many sub-requests would be published at once if they were made now, if that is
    /// known. It is a hint: other requests compete, and further sub-requests wait in the queue.
    pub fn room(&self) -> Option<usize> {
        self.way.room.as_ref().map(|room| room())
    }

    /// Makes a sub-request on behalf of a request whose extensions are `from`.
    ///
    /// # Errors
    /// The error of the service.
    pub async fn request(
        &self,
        mut request: http::Request<Body>,
        from: &Extensions,
    ) -> Result<Response, Error> {
        let mark = InternalRequest::below(from);
        // The sub-request has its own history, independent of that of the outer request.
        request.extensions_mut().remove::<History>();
        request.extensions_mut().remove::<Attempt>();
        request.extensions_mut().remove::<SnapshotPin>();
        request.extensions_mut().insert(mark);
        self.attach(request.extensions_mut());
        self.way.service.clone_and_call(request).await
    }
}

impl fmt::Debug for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Internal")
    }
}

trait CloneAndCall: Send + Sync {
    fn clone_and_call(&self, request: http::Request<Body>) -> BoxFuture;
}

impl<S> CloneAndCall for S
where
    S: Service<http::Request<Body>, Response = Response> + Clone + Send + Sync + 'static,
    S::Error: Into<Error>,
    S::Future: Send,
{
    fn clone_and_call(&self, request: http::Request<Body>) -> BoxFuture {
        let mut service = self.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(Into::into)?;
            service.call(request).await.map_err(Into::into)
        })
    }
}
