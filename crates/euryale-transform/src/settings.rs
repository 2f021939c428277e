//! Settings.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::ledger::Book;
use euryale_core::threads::BlockingLane;
use euryale_core::{Body, Ledger, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode, request};

use crate::{Page, TransformBook};

type Answer = Arc<dyn Fn(&Page) -> Response + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) cpu: BlockingLane,
    pub(crate) budget: Duration,
    pub(crate) trusts_off: Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>,
    pub(crate) failed: Option<Answer>,
    pub(crate) body_limit: usize,
    pub(crate) deadline: Duration,
    pub(crate) ledger: Ledger,
    pub(crate) book: Arc<TransformBook>,
    /// The books of the transforms themselves, which were opened when the chain was built.
    pub(crate) books: Vec<Arc<dyn Book>>,
}

impl Settings {
    pub(crate) fn failed(&self, page: &Page) -> Response {
        self.failed
            .as_ref()
            .map_or_else(failed, |answer| answer(page))
    }
}

fn failed() -> Response {
    let text = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}\n";
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
