//! A publisher without a cap on its connections: `Publish` takes a `Publication`, which only a
//! claim makes.

use euryale::publisher::Publish;
use euryale::respond::RespondLayer;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::{Service, ServiceBuilder};

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

/// Stands for whatever takes a service: a server, a router.
fn serve(_: impl Service<Request>) {}

fn main() {
    let service = ServiceBuilder::new().layer(RespondLayer::new()).service(Publish::new(page));
    serve(service);
}
