//! A publisher of one database on a pool of another.

use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
use euryale_test::CountingDatabase;

struct Page;

impl euryale::Publisher<CountingDatabase> for Page {
    fn publish(
        &self,
        _: &Request,
        _: &mut Transaction<'_, CountingDatabase>,
    ) -> Result<Response, Abort> {
        Ok(Response::new(Body::empty()))
    }
}

fn main() {
    let _ = Stack::new(Pool::new((), 2)).publisher(Page);
}
