//! `/@@slow`: work that takes as long as it is told, to see the cap.

use std::time::Duration;

use euryale::{Abort, Request, Response};
use http::StatusCode;

use crate::page::{Pages, Problem, text};
use crate::query::parameter;

const LONGEST: u64 = 60_000;

/// Works for `ms` milliseconds (default: 1000) in the worker. It asks for no connection, but holds the permit
/// for one.
pub(crate) fn answer(pages: &Pages, request: &Request) -> Result<Response, Abort> {
    let wanted = format!("a whole number of milliseconds, at most {LONGEST}");
    let ms = parameter::<u64>(request.uri(), "ms", &wanted).and_then(|ms| match ms.unwrap_or(1000) {
        ms @ 0..=LONGEST => Ok(ms),
        _ => Err(format!("The parameter ms must be {wanted}.")),
    });
    let ms = ms.map_err(|detail| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, &detail);
        Abort::response(pages.problem(&problem, request.headers()))
    })?;
    #[expect(clippy::disallowed_methods, reason = "it stands for work that blocks, and this is a worker")]
    std::thread::sleep(Duration::from_millis(ms));
    Ok(text(format!("worked for {ms} ms\n")))
}
