//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Body, BoxError, Error, Response};
use pin_project_lite::pin_project;

use crate::resolve::{Found, receive, resolve, wait};
use crate::settings::Settings;

pin_project! {
    /// The future of [`AwaitDeferred`](crate::AwaitDeferred). Dropping it drops an async response,
    /// and leaves a blocking one to its thread.
    pub struct AwaitDeferredFuture<F> {
        #[pin]
        state: State<F>,
        head: bool,
        settings: Arc<Settings>,
    }
}

pin_project! {
    /// Called ⇒ the answer, or Waiting if the answer is deferred or waits for its turn; Waiting ⇒
    /// the answer.
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] inner: F },
        Waiting { resolved: Resolved },
    }
}

type Resolved = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

impl<F> AwaitDeferredFuture<F> {
    pub(crate) fn new(inner: F, head: bool, settings: Arc<Settings>) -> Self {
        Self {
            state: State::Called { inner },
            head,
            settings,
        }
    }
}

impl<F, B, E> Future for AwaitDeferredFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    E: Into<Error>,
{
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let resolved: Resolved = match this.state.as_mut().project() {
                StateProj::Called { inner } => {
                    let response = ready!(inner.poll(cx)).map_err(Into::into)?;
                    let found = receive(response.map(Body::new), *this.head, this.settings);
                    match found.map_err(Error::after_transaction)? {
                        Found::Answer(response) => return Poll::Ready(Ok(response)),
                        Found::Deferred(first, deferred, room) => Box::pin(resolve(
                            *first,
                            deferred,
                            room,
                            *this.head,
                            Arc::clone(this.settings),
                        )),
                        Found::Writer(response, place) => {
                            Box::pin(wait(response, place, Arc::clone(this.settings)))
                        }
                    }
                }
                // The transaction is over by now.
                StateProj::Waiting { resolved } => {
                    let resolved = ready!(resolved.as_mut().poll(cx));
                    return Poll::Ready(resolved.map_err(Error::after_transaction));
                }
            };
            this.state.set(State::Waiting { resolved });
        }
    }
}

impl<F> fmt::Debug for AwaitDeferredFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitDeferredFuture")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
