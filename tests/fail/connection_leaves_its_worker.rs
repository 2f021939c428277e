//! A connection that outlives its publication: it is lent for the call.

use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::{Connection, CountingDatabase};

fn keep(_: &'static mut Connection) {}

fn page(
    _: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    keep(transaction.connection()?);
    Ok(Response::new(Body::empty()))
}

fn main() {
    let _ = page;
}
