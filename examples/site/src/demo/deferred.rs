//! `/@@deferred`: work of a given duration after the transaction.
//!
//! `kind=blocking` (the default) stands for a call that blocks, such as one to another service
//! through a client that is not async; `kind=async` for one that is. No worker is held.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use euryale::{Abort, Body, Deferred, Request, Response};

use crate::demo::slow::{self, milliseconds};
use crate::pages::page::{Pages, text};
use crate::pages::query::parameter;
use crate::pages::refusal::Refusal;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Blocking,
    Async,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "blocking" => Ok(Self::Blocking),
            "async" => Ok(Self::Async),
            _ => Err(()),
        }
    }
}

/// Answers `OK` after `ms` milliseconds (default: 1000).
pub(crate) fn answer(pages: &Pages, request: &Request) -> Result<Response, Abort> {
    let time = Duration::from_millis(milliseconds(pages, request)?);
    let kind = parameter::<Kind>(request.uri(), "kind", "blocking or async")
        .map_err(|detail| Refusal::bad(detail).abort(pages, request))?;
    Ok(Response::new(match kind.unwrap_or(Kind::Blocking) {
        Kind::Blocking => Deferred::blocking(move || {
            slow::work(time);
            done()
        })
        .into(),
        Kind::Async => Body::deferred(async move {
            tokio::time::sleep(time).await;
            done()
        }),
    }))
}

fn done() -> Result<Response, Infallible> {
    Ok(text("OK".to_owned()))
}
