//! A permit that is not one of a pool's: a semaphore's lives in the response future, where a reset
//! frees it.

use euryale::publisher::Publish;
use euryale::transaction::Publication;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;
use tower::Service;

fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

struct Permit;

fn main() {
    let _ = Publish::new(page).call(Publication { request: Request::default(), claim: Permit });
}
