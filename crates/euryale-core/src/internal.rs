//! Requests that the application makes to itself.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use tower_service::Service;

use crate::{Attempt, Body, Error, History, Response};

type BoxFuture = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// A way to make requests to the application itself: for tiles, themes and tasks.
///
/// A stack puts it into the extensions of its requests. A sub-request enters inside the transform chain and
/// takes an ordinary place in the queue: never wait for one in a worker, which holds a permit already.
#[derive(Clone)]
pub struct Internal {
    service: Arc<dyn CloneAndCall>,
}

/// Marks a request that was made through [`Internal`]. A type in the extensions, so no header and no URL can
/// forge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalRequest {
    depth: u32,
}

impl InternalRequest {
    /// How many sub-requests deep it is: 1 for one that a request from outside made.
    pub fn depth(&self) -> u32 {
        self.depth
    }
}

impl Internal {
    /// Sub-requests go to `service`.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = Response> + Clone + Send + Sync + 'static,
        S::Error: Into<Error>,
        S::Future: Send,
    {
        Self { service: Arc::new(service) }
    }

    /// Makes a sub-request on behalf of a request whose extensions are `from`.
    ///
    /// # Errors
    /// The service's.
    pub async fn request(
        &self,
        mut request: http::Request<Body>,
        from: &http::Extensions,
    ) -> Result<Response, Error> {
        let depth = from.get::<InternalRequest>().map_or(0, |mark| mark.depth) + 1;
        // It has a life of its own: what an outer request went through says nothing about it.
        request.extensions_mut().remove::<History>();
        request.extensions_mut().remove::<Attempt>();
        request.extensions_mut().insert(InternalRequest { depth });
        request.extensions_mut().insert(self.clone());
        self.service.clone_and_call(request).await
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
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            service.call(request).await.map_err(Into::into)
        })
    }
}
