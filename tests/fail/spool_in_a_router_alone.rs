//! A layer that can fail around a router of axum's, which takes no errors: `RespondLayer` is
//! missing outside.

use axum::Router;
use euryale::spool::SpoolLayer;
use euryale::{Body, Request};
use tower::ServiceBuilder;

fn main() {
    let layers = ServiceBuilder::new()
        .layer(SpoolLayer::new())
        .map_request(|request: Request| request.map(Body::from));
    let _: Router = Router::new().layer(layers);
}
