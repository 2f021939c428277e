//! A retry inside the cap: it would hold one permit while it waits for another. A `Publication` is
//! not `Clone`.

use euryale::connection::{ConnectionLimitLayer, Pool};
use euryale::publisher::{ConflictPolicy, Publish};
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::retry::RetryLayer;
use tower::{Service, ServiceBuilder};

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

/// Stands for whatever takes a service: a server, a router.
fn serve(_: impl Service<Request>) {}

fn main() {
    let service = ServiceBuilder::new()
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 1)))
        .layer(RetryLayer::new(ConflictPolicy::new()))
        .service(Publish::new(page));
    serve(service);
}
