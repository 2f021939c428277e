//! A publisher that is asynchronous: it would hold its connection while it waits.

use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
use euryale_test::CountingDatabase;

async fn page(_: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    Ok(Response::new(Body::empty()))
}

fn main() {
    let _ = Stack::new(Pool::new(CountingDatabase::new(), 2)).publish(page);
}
