//! A server of a service that can fail: `RespondLayer` is missing outside, which makes responses of
//! errors.

use euryale::connection::{ConnectionLimitLayer, Pool};
use euryale::publisher::Publish;
use euryale::spool::SpoolLayer;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_server::{Server, Shutdown};
use euryale_test::CountingDatabase;
use tower::ServiceBuilder;

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

fn main() {
    let service = ServiceBuilder::new()
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 1)))
        .service(Publish::new(page));
    let _ = Server::new().serve(service, Shutdown::new());
}
