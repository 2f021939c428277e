//! A layer for code that inspects a request and its response, and does not wait in between.
//!
//! axum's `from_fn` does the same for async functions, and boxes two futures and a clone of all
//! inner services for each request. That is memory of every request that waits, and an HTTP/2 peer
//! has a hundred of them.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::Response;
use pin_project_lite::pin_project;
use tower::Service;
use tower_layer::Layer;

/// Calls `before` with each request. The response is passed through the function that it returns;
/// if the request is dropped, so is the function, without a call. `Break` contains the answer, and
/// inner services do not get the request.
pub(crate) fn watch<F, A>(before: F) -> WatchLayer<F>
where
    F: Fn(&mut Request) -> ControlFlow<Response, A>,
    A: FnOnce(Response) -> Response,
{
    WatchLayer(before)
}

/// Made by [`watch`].
#[derive(Clone)]
pub(crate) struct WatchLayer<F>(F);

impl<S, F: Clone> Layer<S> for WatchLayer<F> {
    type Service = Watch<S, F>;

    fn layer(&self, inner: S) -> Watch<S, F> {
        Watch {
            inner,
            before: self.0.clone(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Watch<S, F> {
    inner: S,
    before: F,
}

impl<S, F, A> Service<Request> for Watch<S, F>
where
    S: Service<Request, Response = Response>,
    F: Fn(&mut Request) -> ControlFlow<Response, A>,
    A: FnOnce(Response) -> Response,
{
    type Response = Response;
    type Error = S::Error;
    type Future = WatchFuture<S::Future, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match (self.before)(&mut request) {
            ControlFlow::Continue(after) => WatchFuture::Waits {
                inner: self.inner.call(request),
                after: Some(after),
            },
            ControlFlow::Break(response) => WatchFuture::Answered {
                response: Some(response),
            },
        }
    }
}

pin_project! {
    #[project = States]
    pub(crate) enum WatchFuture<F, A> {
        Waits { #[pin] inner: F, after: Option<A> },
        Answered { response: Option<Response> },
    }
}

impl<F, A, E> Future for WatchFuture<F, A>
where
    F: Future<Output = Result<Response, E>>,
    A: FnOnce(Response) -> Response,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            States::Waits { inner, after } => {
                let response = ready!(inner.poll(cx))?;
                let after = after.take().expect("polled after its end");
                Poll::Ready(Ok(after(response)))
            }
            States::Answered { response } => {
                Poll::Ready(Ok(response.take().expect("polled after its end")))
            }
        }
    }
}
