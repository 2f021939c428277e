//! A promise that asks for another: what it needs is asked for in the next pass.

use std::convert::Infallible;

use euryale::promise::PromisesExt;
use euryale::{Abort, Body, Request, Response, Transaction};
use euryale_test::CountingDatabase;

fn page(request: &Request, _: &mut Transaction<'_, CountingDatabase>) -> Result<Response, Abort> {
    let promises = request.promises();
    let inner = promises.clone();
    let outer = promises.ask("outer", move || async move {
        let _ = inner.ask("inner", || async { Ok::<_, Infallible>(1) });
        Ok::<_, Infallible>(2)
    });
    Ok(Response::new(Body::from(outer.ready()??.to_string())))
}

fn main() {
    let _ = page;
}
