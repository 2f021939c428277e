//! A retry outside the spool: a body that comes from a socket cannot be read twice.

use axum::Router;
use euryale::connection::{ConnectionLimitLayer, Pool};
use euryale::publisher::{ConflictPolicy, Publish};
use euryale::respond::RespondLayer;
use euryale::spool::SpoolLayer;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::ServiceBuilder;
use tower::retry::RetryLayer;

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

fn main() {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(RetryLayer::new(ConflictPolicy::new()))
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 1)))
        .service(Publish::new(page));
    let _: Router = Router::new().fallback_service(service);
}
