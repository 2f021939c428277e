mod broken;
mod composing;
mod documents;
mod fetching;
mod internal;
mod late;

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::request::{Internal, InternalRequest};
use euryale_core::{Body, Deferred, Error, Ledger, Response};
use euryale_test::assert_quiet;
use euryale_transform::TransformChainLayer;
use http::Request;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{HasTiles, Tiles};

type Answering = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;
type View = Box<dyn Fn(Request<Body>) -> Answering + Send + Sync>;

/// A site of views, by path and query or by path; `/` is the page.
#[derive(Clone)]
struct Site {
    views: Arc<Mutex<HashMap<String, View>>>,
    asked: Arc<Mutex<Vec<String>>>,
    ledger: Ledger,
}

fn html(text: impl Into<String>) -> Response {
    let mut response = Response::new(Body::from(text.into()));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}

/// A response without body and headers.
fn bare(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status.try_into().unwrap();
    response
}

impl Site {
    fn new(page: &str) -> Self {
        let site = Self {
            views: Arc::default(),
            asked: Arc::default(),
            ledger: Ledger::new(),
        };
        let page = page.to_owned();
        site.view("/", move |_| {
            let page = page.clone();
            async move {
                let mut response = html(page);
                response.extensions_mut().insert(HasTiles);
                Ok(response)
            }
        })
    }

    fn view<F>(self, path: &str, view: impl Fn(Request<Body>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response, Error>> + Send + 'static,
    {
        let view: View = Box::new(move |request| Box::pin(view(request)));
        self.views.lock().unwrap().insert(path.to_owned(), view);
        self
    }

    fn tile(self, path: &str, text: &str) -> Self {
        let text = text.to_owned();
        self.view(path, move |_| {
            let response = html(text.clone());
            async { Ok(response) }
        })
    }

    fn answer(&self, request: Request<Body>) -> Answering {
        let target = request.uri().path_and_query().unwrap().to_string();
        if InternalRequest::of(request.extensions()).is_some() {
            self.asked.lock().unwrap().push(target.clone());
        }
        // The lock is poisoned if a view has panicked.
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        match views
            .get(&target)
            .or_else(|| views.get(request.uri().path()))
        {
            Some(view) => view(request),
            None => Box::pin(async {
                let mut response = html("<p>nothing here</p>");
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                Ok(response)
            }),
        }
    }

    fn internal(&self) -> Internal {
        let site = self.clone();
        Internal::new(service_fn(move |request| site.answer(request)))
    }

    /// Returns the answer to a request, and its text.
    async fn send(&self, tiles: Tiles, request: Request<()>) -> (http::response::Parts, String) {
        self.send_through(tiles, self.internal(), request).await
    }

    async fn send_through(
        &self,
        tiles: Tiles,
        internal: Internal,
        request: Request<()>,
    ) -> (http::response::Parts, String) {
        let (head, body) = self.open(tiles, internal, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_quiet(&self.ledger).await;
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Returns the answer before any of its body is read.
    async fn open(&self, tiles: Tiles, internal: Internal, mut request: Request<()>) -> Response {
        request.extensions_mut().insert(internal);
        let chain = TransformChainLayer::new()
            .compose_page(tiles)
            .ledger(self.ledger.clone());
        self.through(chain, request).await
    }

    async fn through(&self, chain: TransformChainLayer, request: Request<()>) -> Response {
        let site = self.clone();
        let service =
            ServiceBuilder::new()
                .layer(chain)
                .service(service_fn(move |request: Request<()>| {
                    let answer = site.answer(request.map(|()| Body::empty()));
                    async { Ok::<_, Infallible>(answer.await.unwrap()) }
                }));
        service.oneshot(request).await.unwrap()
    }

    async fn get(&self, tiles: Tiles) -> String {
        self.send(tiles, Request::get("/").body(()).unwrap())
            .await
            .1
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_unstable();
        asked
    }
}

/// A view that never answers.
fn never() -> Response {
    Deferred::new(std::future::pending::<Result<Response, Error>>()).into()
}

/// Error tiles contain the kind of the error, for the tests to check.
fn tiles() -> Tiles {
    Tiles::new().error_tile(|_, error| format!("[{}: {}]", error.address(), error.kind()))
}
