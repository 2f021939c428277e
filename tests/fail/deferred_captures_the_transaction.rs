//! A response that is computed with the transaction: it is computed after its end.

use euryale::transaction::Unavailable;
use euryale::{Abort, Body, Deferred, Request, Response, Transaction};
use euryale_test::CountingDatabase;

fn page(
    _: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    Ok(Response::new(Body::from(Deferred::blocking(move || {
        let connection = transaction.connection()?;
        Ok::<_, Unavailable>(Response::new(Body::from(connection.id().to_string())))
    }))))
}

fn main() {
    let _ = page;
}
