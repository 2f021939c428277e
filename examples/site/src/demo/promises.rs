//! `/@@promises`: a page that needs external answers, and holds no worker while it waits for them.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use euryale::promise::{Key, PromisesExt};
use euryale::{Abort, Request, Response};
use http::StatusCode;

use crate::pages::page::{Pages, Problem, text};
use crate::pages::query::parameter;

/// How long it took, in milliseconds.
const ANSWER: Key<u64> = Key::new("answer");

/// Requests `n` answers (default: 3) at the same time, which take `ms` milliseconds each (default:
/// 300). This is repeated for `rounds` rounds (default: 1). With `fail=1` the last answer of each
/// round fails.
///
/// A request for more than the limit is answered with 508.
pub(crate) fn answer(pages: &Pages, request: &Request) -> Result<Response, Abort> {
    let number = |name: &str, default: u64, range: RangeInclusive<u64>| {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let number =
            parameter::<u64>(request.uri(), name, &wanted).map(|number| number.unwrap_or(default));
        let number = number.and_then(|number| match range.contains(&number) {
            true => Ok(number),
            false => Err(format!("The parameter {name} must be {wanted}.")),
        });
        number.map_err(|detail| {
            let problem = Problem::new(StatusCode::BAD_REQUEST, &detail);
            Abort::response(pages.problem(&problem, request.headers()))
        })
    };
    let n = number("n", 3, 1..=100)?;
    let ms = number("ms", 300, 0..=60_000)?;
    let rounds = number("rounds", 1, 1..=20)?;
    let fail = number("fail", 0, 0..=1)? == 1;

    let promises = request.promises();
    let mut page = String::new();
    for round in 1..=rounds {
        let asked = (1..=n).map(|number| {
            let fails = fail && number == n;
            promises.ask(ANSWER.with(format_args!("{round}.{number}")), move || {
                elsewhere(ms, fails)
            })
        });
        // The first time, the publication ends here.
        for (answer, number) in promises.all(asked)?.into_iter().zip(1..) {
            // Writing to a string cannot fail.
            let _ = match answer {
                Ok(ms) => writeln!(page, "answer {round}.{number} took {ms} ms"),
                Err(error) => writeln!(page, "answer {round}.{number}: {error}"),
            };
        }
    }
    Ok(text(format!("{page}published {} times\n", promises.pass())))
}

/// A stand-in for a slow service.
async fn elsewhere(ms: u64, fails: bool) -> Result<u64, &'static str> {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    if fails {
        Err("refused elsewhere")
    } else {
        Ok(ms)
    }
}
