//! A publisher in a router without a `SpoolLayer` around its cap: it could not be published again,
//! and would read its body in a worker.

use axum::Router;
use euryale::connection::{ConnectionLimitLayer, Pool};
use euryale::publisher::Publish;
use euryale::respond::RespondLayer;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::ServiceBuilder;

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

fn main() {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 1)))
        .service(Publish::new(page));
    let _: Router = Router::new().fallback_service(service);
}
