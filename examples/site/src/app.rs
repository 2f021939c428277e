//! The site as a service: synchronous pages behind the stack, and beside it what needs no worker.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use euryale::publisher::RespondLayer;
use euryale::{Abort, Pool, Publisher, Request, Response, Stack, Transaction};
use euryale_sqlite::Sqlite;
use http::{HeaderValue, Method, StatusCode, header};

use crate::page::{Pages, Problem};
use crate::{access_log, assets, counter, documents, slow};

/// Everything that is served at the public addresses.
pub(crate) fn app(pool: Pool<Sqlite>) -> Router {
    let pages = Arc::new(Pages::new());
    let respond = RespondLayer::new().page({
        let pages = Arc::clone(&pages);
        move |failure| pages.failure(failure)
    });
    let stack = Stack::new(pool).respond(respond).publish(Site { pages });
    assets::routes().fallback_service(stack).layer(from_fn(access_log::log))
}

/// The publisher: synchronous, called in a worker, in a transaction.
struct Site {
    pages: Arc<Pages>,
}

impl Publisher<Sqlite> for Site {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<Response, Abort> {
        // What is no document has a name with @@, as views have in Zope: no document can be in its way.
        match request.uri().path() {
            "/@@slow" => {
                self.allow(request, &[Method::GET])?;
                slow::answer(&self.pages, request)
            }
            "/@@counter" => {
                self.allow(request, &[Method::GET, Method::POST])?;
                counter::answer(&self.pages, request, transaction)
            }
            _ => {
                let document = documents::find(&self.pages, request, transaction)?;
                self.allow(request, &[Method::GET])?;
                documents::show(&self.pages, &document, transaction)
            }
        }
    }
}

impl Site {
    /// Refuses methods that a path does not know (RFC 9110 §15.5.6). `HEAD` is published as `GET`.
    fn allow(&self, request: &Request, methods: &[Method]) -> Result<(), Abort> {
        if methods.contains(request.method()) {
            return Ok(());
        }
        let mut names = vec!["HEAD"];
        names.extend(methods.iter().map(Method::as_str));
        names.sort_unstable();
        let detail = format!("This address knows the methods {}.", names.join(", "));
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, &detail);
        let mut response = self.pages.problem(&problem, request.headers());
        let allow = names.join(", ").parse().unwrap_or(HeaderValue::from_static("GET"));
        response.headers_mut().insert(header::ALLOW, allow);
        Err(Abort::response(response))
    }
}
