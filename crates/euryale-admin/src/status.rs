//! The status of this process: a live page for people, and the same numbers for programs.

mod details;
mod figures;
mod format;
mod history;
mod json;
mod live;
mod page;
#[cfg(test)]
mod tests;
mod trends;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::pool::PoolControl;
use euryale_core::{Body, Ledger};
use euryale_server::{Readiness, Slowest};
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::time::Instant;

pub use self::details::{Held, StatusDetails};
use self::figures::{Figures, Process};
use self::history::{History, Sample};
use crate::response::page as plain_page;

/// The page loads nothing from other sites, and has no inline scripts or styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The maximum number of simultaneous viewers. For further viewers the page is not live, and says
/// so.
const VIEWERS: usize = 32;

/// The status page of one [`Admin`](crate::Admin).
#[derive(Clone)]
pub(crate) struct Status {
    pub(crate) ledger: Ledger,
    pub(crate) readiness: Readiness,
    pub(crate) pool: Option<Arc<dyn PoolControl>>,
    pub(crate) details: Arc<dyn Fn() -> StatusDetails + Send + Sync>,
    shared: Arc<Shared>,
    pub(crate) program: Option<Arc<str>>,
    pub(crate) slowest: Option<Slowest>,
}

struct Shared {
    since: Instant,
    history: Mutex<History>,
    viewers: AtomicUsize,
}

impl Status {
    pub(crate) fn new(
        ledger: Ledger,
        readiness: Readiness,
        details: impl Fn() -> StatusDetails + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            since: Instant::now(),
            history: Mutex::default(),
            viewers: AtomicUsize::new(0),
        };
        Self {
            ledger,
            readiness,
            pool: None,
            details: Arc::new(details),
            shared: Arc::new(shared),
            program: None,
            slowest: None,
        }
    }

    pub(crate) fn knows(path: &str) -> bool {
        matches!(
            path,
            "/status" | "/status.json" | "/status.css" | "/status.js" | "/status/events"
        )
    }

    /// Returns the answer to a GET or HEAD for one of the page's paths.
    pub(crate) fn answer(
        &self,
        path: &str,
        headers: &HeaderMap,
        wants_body: bool,
    ) -> Response<Body> {
        let mut response = match path {
            "/status.json" => self.json(),
            "/status.css" => content("text/css; charset=utf-8", include_str!("status/status.css")),
            "/status.js" => content(
                "text/javascript; charset=utf-8",
                include_str!("status/status.js"),
            ),
            "/status/events" => self.events(wants_body),
            _ => {
                let mut response = if wants_json(headers) {
                    self.json()
                } else {
                    html(page::whole(&self.figures()))
                };
                response
                    .headers_mut()
                    .insert(VARY, HeaderValue::from_static("accept"));
                response
            }
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    fn json(&self) -> Response<Body> {
        content("application/json", json::write(&self.figures()))
    }

    /// Returns server-sent events: the page again each second, until the drain begins.
    fn events(&self, wants_body: bool) -> Response<Body> {
        if self.readiness.shutdown().is_draining() {
            // A 204 tells the browser not to reconnect (HTML, "Server-sent events").
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        if !wants_body {
            return content("text/event-stream", Body::empty());
        }
        let Some(viewer) = Viewer::admit(&self.shared) else {
            let mut response = content("text/plain; charset=utf-8", "too many look on\n");
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("10"));
            return response;
        };
        content(
            "text/event-stream",
            Body::new(live::Live::new(self.clone(), viewer)),
        )
    }

    fn figures(&self) -> Figures {
        let state = match (
            self.readiness.shutdown().is_draining(),
            self.readiness.is_ready(),
        ) {
            (true, _) => "draining",
            (false, true) => "ready",
            (false, false) => "not ready",
        };
        // The program's function is called outside the lock.
        let mut details = (self.details)();
        if let Some(pool) = &self.pool {
            details = details.pool(&**pool);
        }
        let slowest = self.slowest.as_ref().map(Slowest::list);
        let all = self.ledger.figures();
        let now = Sample::of(&all, Instant::now());
        let mut history = self
            .shared
            .history
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        history.add(&now);
        let process = Process {
            program: self.program.clone(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            state,
            up: now.at.duration_since(self.shared.since),
        };
        Figures::new(&all, &history, &now, process, details, slowest)
    }
}

/// The place of one viewer.
struct Viewer(Arc<Shared>);

impl Viewer {
    fn admit(shared: &Arc<Shared>) -> Option<Self> {
        let one_more = |viewers| (viewers < VIEWERS).then_some(viewers + 1);
        let admitted = shared
            .viewers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        admitted.is_ok().then(|| Self(Arc::clone(shared)))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns whether the client wants JSON: it names JSON and does not name HTML. Browsers name HTML
/// and also accept everything else.
fn wants_json(headers: &HeaderMap) -> bool {
    let names = |kind: &str| {
        let accepted = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|accept| accept.to_str().ok());
        accepted.flat_map(|accept| accept.split(',')).any(|range| {
            range
                .split(';')
                .next()
                .is_some_and(|range| range.trim().eq_ignore_ascii_case(kind))
        })
    };
    names("application/json") && !names("text/html")
}

fn html(page: String) -> Response<Body> {
    let mut response = content("text/html; charset=utf-8", page);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

fn content(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    plain_page(StatusCode::OK, HeaderValue::from_static(content_type), body)
}
