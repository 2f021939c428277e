//! A response that is computed by a future with the connection: it is awaited after the
//! transaction.

use euryale::{Abort, Body, Deferred, Error, Request, Response, Transaction};
use euryale_test::CountingDatabase;

fn page(
    _: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    Ok(Response::new(Body::from(Deferred::new(async move {
        Ok::<_, Error>(Response::new(Body::from(connection.id().to_string())))
    }))))
}

fn main() {
    let _ = page;
}
