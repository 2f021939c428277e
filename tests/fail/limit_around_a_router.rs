//! A cap around handlers of axum's: it would be the semaphore again, since they do not run in its
//! workers.

use axum::Router;
use euryale::Pool;
use euryale::connection::ConnectionLimitLayer;
use euryale::respond::RespondLayer;
use euryale::spool::SpoolLayer;
use euryale_test::CountingDatabase;
use tower::ServiceBuilder;

fn main() {
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(SpoolLayer::new())
        .layer(ConnectionLimitLayer::new(Pool::new(CountingDatabase::new(), 2)));
    let _: Router = Router::new().layer(layers);
}
