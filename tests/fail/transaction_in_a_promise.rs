//! A promise that uses the transaction: it runs when the transaction is over.

use euryale::promise::PromisesExt;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;

fn page(
    request: &Request,
    transaction: &mut Transaction<'_, CountingDatabase>,
) -> Result<Response, Abort> {
    let id = request.promises().ask("id", || async {
        transaction.connection().map(|connection| connection.id())
    });
    Ok(Response::new(Body::from(id.ready()??.to_string())))
}

fn main() {
    let _ = page;
}
