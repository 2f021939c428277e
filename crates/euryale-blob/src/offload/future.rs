//! The future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::body::BlobHandle;
use euryale_core::{Blob, Body, BoxError, Response};
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Method};
use pin_project_lite::pin_project;

use super::fields::{Order, remove_orders};
use super::layer::OffloadSettings;
use super::place::{is_still_there, value};
use super::{BlobPath, NoOffload, OffloadTo};
use crate::answer::{forget_blob, is_whole};
use crate::asked::Asking;

pin_project! {
    /// The future of [`Offload`](super::Offload).
    pub struct OffloadFuture<F> {
        #[pin]
        state: State<F>,
        order: Option<Order>,
        method: Method,
        settings: Arc<OffloadSettings>,
    }
}

pin_project! {
    /// Called ⇒ the response, or Checking if a proxy may send its blob. Checking ⇒ the response,
    /// changed or not.
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] inner: F },
        Checking { check: Check, found: Option<(Response, Field)> },
    }
}

type Check = Pin<Box<dyn Future<Output = bool> + Send>>;
type Field = (HeaderName, HeaderValue);

impl<F> OffloadFuture<F> {
    pub(super) fn new(
        inner: F,
        order: Option<Order>,
        method: Method,
        settings: Arc<OffloadSettings>,
    ) -> Self {
        Self {
            state: State::Called { inner },
            order,
            method,
            settings,
        }
    }
}

impl<F, B, E> Future for OffloadFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Called { inner } => {
                    let mut response = ready!(inner.poll(cx))?.map(Body::new);
                    remove_orders(response.headers_mut());
                    Body::publish_handle(&mut response, &this.settings.ledger);
                    let candidate = this
                        .order
                        .take()
                        .and_then(|order| this.settings.candidate(&order, this.method, &response));
                    let Some((blob, path, field)) = candidate else {
                        return Poll::Ready(Ok(response));
                    };
                    let check = this.settings.check(blob, path);
                    this.state.set(State::Checking {
                        check,
                        found: Some((response, field)),
                    });
                }
                StateProj::Checking { check, found } => {
                    let is_there = ready!(check.as_mut().poll(cx));
                    // The response can be taken only once. If a caller polls again, against the
                    // contract, the future is pending forever.
                    let Some((response, field)) = found.take() else {
                        return Poll::Pending;
                    };
                    let settings = &this.settings;
                    return Poll::Ready(Ok(if is_there {
                        settings.leave(response, field)
                    } else {
                        response
                    }));
                }
            }
        }
    }
}

impl OffloadSettings {
    fn candidate(
        &self,
        order: &Order,
        method: &Method,
        response: &Response,
    ) -> Option<(Blob, BlobPath, Field)> {
        let extensions = response.extensions();
        let handle = extensions.get::<BlobHandle>()?;
        let path = extensions.get::<BlobPath>()?;
        let asking = if *method == Method::HEAD {
            Asking::Head
        } else {
            Asking::Get
        };
        if extensions.get::<NoOffload>().is_some() || !is_whole(response, handle, asking) {
            return None;
        }
        let maps = order.maps.as_deref().unwrap_or(&self.maps);
        let value = value(order.to, maps, &path.0)?;
        let is_encoded = order.to == OffloadTo::Sendfile && value.as_bytes().contains(&b'%');
        if is_encoded && self.only_plain_names {
            return None;
        }
        let name = match order.to {
            OffloadTo::Accel => HeaderName::from_static("x-accel-redirect"),
            OffloadTo::Sendfile => HeaderName::from_static("x-sendfile"),
        };
        Some((handle.blob()?, path.clone(), (name, value)))
    }

    fn check(&self, blob: Blob, BlobPath(path): BlobPath) -> Check {
        let lane = self.lane.clone();
        Box::pin(async move {
            let found = lane.run(move || is_still_there(&blob, &path)).await;
            matches!(found, Ok(Ok(true)))
        })
    }

    fn leave(&self, mut response: Response, (name, value): Field) -> Response {
        forget_blob(&mut response);
        self.book.offload.add(1);
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(name, value);
        response.map(|_| Body::empty())
    }
}

impl<F> fmt::Debug for OffloadFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OffloadFuture")
    }
}
