//! A body that is written with the transaction: it is written after its end.

use std::io::Write;

use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;

fn page(
    _: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    Ok(Response::new(Body::writer(move |writer| {
        let connection = transaction.connection().unwrap();
        write!(writer, "{}", connection.id())
    })))
}

fn main() {
    let _ = page;
}
