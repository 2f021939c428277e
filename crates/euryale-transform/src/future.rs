//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{Body, BoxError, Response};
use pin_project_lite::pin_project;

use crate::chain::{Asked, Chain, Found};

pin_project! {
    /// The future of [`TransformChain`](crate::TransformChain). Dropping it drops the transforms;
    /// running work on CPU threads is finished.
    pub struct TransformChainFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    /// Called ⇒ the response, or Transforming if a transform applies; Transforming ⇒ the response.
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] inner: F, asked: Option<Asked>, chain: Arc<Chain> },
        Transforming { response: Pin<Box<dyn Future<Output = Response> + Send>> },
    }
}

impl<F> TransformChainFuture<F> {
    pub(crate) fn new(inner: F, asked: Asked, chain: Arc<Chain>) -> Self {
        Self {
            state: State::Called {
                inner,
                asked: Some(asked),
                chain,
            },
        }
    }
}

impl<F, B, E> Future for TransformChainFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let response = match this.state.as_mut().project() {
                StateProj::Called {
                    inner,
                    asked,
                    chain,
                } => {
                    let response = ready!(inner.poll(cx))?.map(Body::new);
                    // The future was polled after completion, against the contract.
                    let Some(asked) = asked.take() else {
                        return Poll::Pending;
                    };
                    match chain.look(&asked, response) {
                        Found::Nothing(response) => return Poll::Ready(Ok(response)),
                        Found::Work(plan, response) => {
                            Arc::clone(chain).transform(asked.page, plan, response)
                        }
                    }
                }
                StateProj::Transforming { response } => return response.as_mut().poll(cx).map(Ok),
            };
            this.state.set(State::Transforming {
                response: Box::pin(response),
            });
        }
    }
}

impl<F> fmt::Debug for TransformChainFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransformChainFuture")
    }
}
