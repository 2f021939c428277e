//! `/@@slow`: work of a given duration, to demonstrate the cap.

use std::time::Duration;

use euryale::{Abort, Request, Response};
use http::StatusCode;

use crate::pages::page::{Pages, Problem, text};
use crate::pages::query::parameter;

const LONGEST: u64 = 60_000;

/// Works for `ms` milliseconds (default: 1000) in the worker. It asks for no connection, but holds
/// the permit for one.
pub(crate) fn answer(pages: &Pages, request: &Request) -> Result<Response, Abort> {
    let ms = milliseconds(pages, request)?;
    work(Duration::from_millis(ms));
    Ok(text(format!("worked for {ms} ms\n")))
}

/// The parameter `ms`; 1000 without it.
pub(crate) fn milliseconds(pages: &Pages, request: &Request) -> Result<u64, Abort> {
    let wanted = format!("a whole number of milliseconds, at most {LONGEST}");
    let ms =
        parameter::<u64>(request.uri(), "ms", &wanted).and_then(|ms| match ms.unwrap_or(1000) {
            ms @ 0..=LONGEST => Ok(ms),
            _ => Err(format!("The parameter ms must be {wanted}.")),
        });
    ms.map_err(|detail| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, &detail);
        Abort::response(pages.problem(&problem, request.headers()))
    })
}

/// Work that blocks its thread.
#[expect(
    clippy::disallowed_methods,
    reason = "it stands for work that blocks, and only such threads do it"
)]
pub(crate) fn work(time: Duration) {
    std::thread::sleep(time);
}
