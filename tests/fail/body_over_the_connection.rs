//! A body that reads rows while it is sent: it is sent after the transaction.

use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;

fn page(
    _: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    let connection = transaction.connection()?;
    let rows = (0..3).map(move |row| format!("{row} of connection {}\n", connection.id()));
    Ok(Response::new(Body::iter(rows)))
}

fn main() {
    let _ = page;
}
