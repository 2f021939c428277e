//! The service.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use euryale_core::body::{Descriptors, NoDescriptor};
use euryale_core::{Blob, Body, BoxError, Response};
use http::header::{ACCEPT_RANGES, ALLOW, CONTENT_ENCODING, LOCATION, RANGE, VARY};
use http::{HeaderValue, Method, Request, StatusCode};
use rustix::io::Errno;
use tower_service::Service;

use super::coding::{Coding, accepted};
use super::name::{Name, Refused, with_slash};
use super::open::{Found, find};
use super::{FolderSettings, ServeFolder};
use crate::asked::Asked;
use crate::{coding_of_name, media_type};

/// The default fallback, which answers 404.
#[derive(Clone, Copy, Debug)]
pub struct NotFound;

impl<Q> Service<Request<Q>> for NotFound {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Q>) -> Self::Future {
        ready(Ok(empty(StatusCode::NOT_FOUND)))
    }
}

impl<F, Q, B> Service<Request<Q>> for ServeFolder<F>
where
    F: Service<Request<Q>, Response = http::Response<B>> + Clone + Send + 'static,
    F::Future: Send,
    Q: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = F::Error;
    type Future = FolderFuture<F::Error>;

    /// Always ready. The fallback is polled only when it is needed.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), F::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> FolderFuture<F::Error> {
        let settings = self.settings.clone();
        let mut fallback = self.fallback.clone();
        FolderFuture(Box::pin(async move {
            if let Some(response) = settings.answer(&request).await {
                return Ok(response);
            }
            poll_fn(|cx| fallback.poll_ready(cx)).await?;
            Ok(fallback.call(request).await?.map(Body::new))
        }))
    }
}

impl FolderSettings {
    /// Returns `None` if there is no file of this name.
    fn answer<Q>(
        &self,
        request: &Request<Q>,
    ) -> impl Future<Output = Option<Response>> + Send + 'static + use<Q> {
        let asked = Asked::of(request);
        let wanted = self.wanted(request);
        let settings = self.clone();
        async move {
            let (name, codings, slash) = match wanted {
                Ok(wanted) => wanted,
                Err(refused) => return refusal(refused),
            };
            let media = media_type(&name.path);
            let own = name.path.to_str().and_then(coding_of_name);
            let root = settings.root.clone();
            let stable = settings.stable;
            let descriptors = settings.descriptors.clone();
            let found = settings
                .serving
                .lane
                .run(move || {
                    counted(descriptors.as_ref(), || {
                        find(&root, &name, &codings, stable)
                    })
                })
                .await;
            match found.map_err(io::Error::other).and_then(|found| found) {
                Ok(Found::File { blob, coding }) => {
                    let blob = match own {
                        Some(own) if coding.is_none() => blob.coded(own),
                        _ => blob,
                    };
                    Some(settings.file(&asked, blob, coding.is_some(), media))
                }
                Ok(Found::Folder) => Some(moved(slash)),
                Ok(Found::Nothing) => None,
                Err(error) => Some(failed(&error)),
            }
        }
    }

    fn wanted<Q>(&self, request: &Request<Q>) -> Result<(Name, Vec<Coding>, String), Refused> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refused::Method);
        }
        let uri = request.uri();
        let name = Name::of(uri.path(), self.dotfiles)?;
        // Ranges select from the uncompressed file, and only GET has them (RFC 9110 §14.2).
        let has_range = *request.method() == Method::GET && request.headers().contains_key(RANGE);
        let looks = self.precompressed && !has_range;
        let codings = if looks {
            accepted(request.headers())
        } else {
            Vec::new()
        };
        Ok((name, codings, with_slash(uri.path(), uri.query())))
    }

    fn file(&self, asked: &Asked, blob: Blob, is_beside: bool, media: HeaderValue) -> Response {
        let coding = blob.coding();
        let mut response = Response::new(Body::from(blob.typed(media)));
        let headers = response.headers_mut();
        if self.precompressed {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if is_beside {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
        }
        self.serving.answer(asked, response)
    }
}

/// Returns `None` if the fallback may answer the request.
fn refusal(refused: Refused) -> Option<Response> {
    match refused {
        Refused::Unknown => None,
        Refused::Malformed => Some(empty(StatusCode::BAD_REQUEST)),
        Refused::Method => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            Some(response)
        }
    }
}

fn moved(to: String) -> Response {
    match HeaderValue::try_from(to) {
        Ok(to) => {
            let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
            response.headers_mut().insert(LOCATION, to);
            response
        }
        Err(_) => empty(StatusCode::BAD_REQUEST),
    }
}

/// The number of descriptors that a lookup needs: for the root, a folder, the file, and a
/// compressed file beside it.
const WHILE_LOOKING: usize = 4;

/// Returns the result of `find`, and counts the descriptor of its file.
pub(super) fn counted(
    descriptors: Option<&Descriptors>,
    find: impl FnOnce() -> io::Result<Found>,
) -> io::Result<Found> {
    let descriptor = descriptors.map(|all| all.take(WHILE_LOOKING)).transpose()?;
    Ok(match (find()?, descriptor) {
        (Found::File { blob, coding }, Some(descriptor)) => Found::File {
            blob: blob.counted(descriptor.keep(1)),
            coding,
        },
        (found, _) => found,
    })
}

fn failed(error: &io::Error) -> Response {
    let no_memory = Some(Errno::NOMEM.raw_os_error());
    // The budget itself logs when it is used up.
    if !NoDescriptor::is_in(error) {
        tracing::warn!(error = %error, "a file of a folder cannot be opened");
    }
    let is_short = Descriptors::are_exhausted(error) || error.raw_os_error() == no_memory;
    empty(if is_short {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The future of [`ServeFolder`](super::ServeFolder).
pub struct FolderFuture<E>(Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>);

impl<E> Future for FolderFuture<E> {
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<E> fmt::Debug for FolderFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FolderFuture")
    }
}
