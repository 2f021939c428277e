//! A `Republish` outside the spool: there is nothing yet that could be published twice.

use axum::Router;
use euryale::connection::{ConnectionLimitLayer, Pool};
use euryale::promise::RepublishLayer;
use euryale::publisher::Publish;
use euryale::respond::RespondLayer;
use euryale::spool::SpoolLayer;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::ServiceBuilder;

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

fn main() {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(RepublishLayer::new())
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 1)))
        .service(Publish::new(page));
    let _: Router = Router::new().fallback_service(service);
}
