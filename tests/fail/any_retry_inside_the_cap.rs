//! A retry with a policy of your own inside the cap: it would have to clone the publication, and
//! with it the claim.

use euryale::connection::{ConnectionLimitLayer, Pool};
use euryale::publisher::Publish;
use euryale::{Abort, Body, Error, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::retry::{Policy, RetryLayer};
use tower::{Service, ServiceBuilder};

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

#[derive(Clone)]
struct Always;

impl<Rq: Clone> Policy<Rq, Response, Error> for Always {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Rq, _: &mut Result<Response, Error>) -> Option<Self::Future> {
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Rq) -> Option<Rq> {
        Some(request.clone())
    }
}

/// Stands for whatever takes a service: a server, a router.
fn serve(_: impl Service<Request>) {}

fn main() {
    let service = ServiceBuilder::new()
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 1)))
        .layer(RetryLayer::new(Always))
        .service(Publish::new(page));
    serve(service);
}
