//! From a deferred response to the one that is sent.

use std::fmt;
use std::sync::Arc;

use euryale_core::ledger::GaugeGuard;
use euryale_core::{
    Body, BoxError, Deferred, DeferredHandle, Error, ErrorKind, Ledger, PanicMessage, Response,
    WriterHandle, own_framing,
};
use http::header::{CONTENT_ENCODING, SET_COOKIE};
use http::response::Parts;

use crate::blocking::{Reserved, enter};
use crate::layer::Settings;

/// What a response is.
pub(crate) enum Found {
    Answer(Response),
    /// Still to be computed, and what came with it.
    Deferred(Box<Parts>, Deferred),
}

/// Looks whether a response is deferred, and gives a place to one whose body is to be written.
pub(crate) fn look(
    mut response: Response,
    head: bool,
    settings: &Settings,
) -> Result<Found, Error> {
    // A body of our own tells by itself what it is. One that was boxed on the way has its handle.
    Body::publish_handle(&mut response, &settings.ledger);
    // Encoded it is somebody else's, who polls it.
    let is_ours = !response.headers().contains_key(CONTENT_ENCODING);
    let deferred = response
        .extensions()
        .get::<DeferredHandle>()
        .filter(|_| is_ours);
    if let Some(deferred) = deferred.and_then(DeferredHandle::take) {
        let (first, _) = response.into_parts();
        return Ok(Found::Deferred(Box::new(first), deferred));
    }
    if let Some(writer) = response
        .extensions()
        .get::<WriterHandle>()
        .filter(|writer| !writer.is_started())
    {
        if head {
            return Ok(Found::Answer(response.map(Body::head_only)));
        }
        let turn = enter(&settings.writers, &settings.ledger, |ledger| {
            &ledger.deferred.writers
        })?;
        writer.run_by(Arc::new(Reserved::new(turn)));
        writer.window(settings.window);
        writer.stall(settings.stall);
    }
    Ok(Found::Answer(response))
}

/// Waits for the response, and for those that it defers to.
pub(crate) async fn resolve(
    first: Parts,
    deferred: Deferred,
    head: bool,
    settings: Arc<Settings>,
) -> Result<Response, Error> {
    let mut ending = Ending {
        ledger: settings.ledger.clone(),
        outcome: Outcome::Cancelled,
    };
    let computed = compute(first, deferred, head, &settings);
    let result = match settings.deadline {
        None => computed.await,
        Some(deadline) => tokio::time::timeout(deadline, computed)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Elapsed))),
    };
    ending.outcome = match &result {
        Ok(_) => Outcome::Ok,
        Err(error) => match error.kind() {
            ErrorKind::Elapsed => Outcome::Elapsed,
            ErrorKind::Panicked => Outcome::Panic,
            // Counted by its lane.
            ErrorKind::LaneFull => Outcome::Full,
            _ => Outcome::Error,
        },
    };
    result
}

async fn compute(
    mut first: Parts,
    mut deferred: Deferred,
    head: bool,
    settings: &Arc<Settings>,
) -> Result<Response, Error> {
    for _ in 0..=settings.depth {
        let response = one(deferred, settings).await?;
        let response = merged(first, response);
        match look(response, head, settings)? {
            Found::Answer(response) if head => return Ok(response.map(Body::head_only)),
            Found::Answer(response) => return Ok(response),
            Found::Deferred(parts, next) => (first, deferred) = (*parts, next),
        }
    }
    Err(Error::with_source(
        ErrorKind::DeferredFailed,
        TooDeep {
            depth: settings.depth,
        },
    ))
}

/// One response, computed in its lane.
async fn one(mut deferred: Deferred, settings: &Settings) -> Result<Response, Error> {
    let ledger = &settings.ledger;
    let _running = if deferred.is_blocking() {
        // It keeps its turn until it returns, whatever becomes of us.
        let turn = enter(&settings.blocking, ledger, |ledger| {
            &ledger.deferred.running
        })?;
        deferred.run_by(Arc::new(Reserved::new(turn)));
        None
    } else {
        let place = Arc::clone(&settings.futures).try_acquire_owned();
        let place = place.map_err(|_| {
            ledger.deferred.full.add(1);
            Error::new(ErrorKind::LaneFull)
        })?;
        // Given back in this order: whoever finds a place free finds it uncounted.
        Some((
            GaugeGuard::new(ledger, |ledger| &ledger.deferred.running, 1),
            place,
        ))
    };
    let response = deferred.await.map_err(failed)?;
    if response.status().is_informational() {
        return Err(Error::with_source(
            ErrorKind::DeferredFailed,
            NoFinalStatus(response.status().as_u16()),
        ));
    }
    Ok(response)
}

fn failed(error: BoxError) -> Error {
    let kind = if error.is::<PanicMessage>() {
        ErrorKind::Panicked
    } else {
        ErrorKind::DeferredFailed
    };
    match error.downcast::<Error>() {
        Ok(own) => *own,
        Err(foreign) => Error::with_source(kind, foreign),
    }
}

/// What was computed, with the headers of the first response that it says nothing about.
fn merged(first: Parts, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut headers = first.headers;
    for name in parts.headers.keys().filter(|name| *name != SET_COOKIE) {
        headers.remove(name);
    }
    for (name, value) in &parts.headers {
        headers.append(name, value.clone());
    }
    parts.headers = headers;
    let mut extensions = first.extensions;
    // It was taken; the next one, if there is one, comes with the new body.
    extensions.remove::<DeferredHandle>();
    extensions.extend(std::mem::take(&mut parts.extensions));
    parts.extensions = extensions;
    own_framing(Response::from_parts(parts, body))
}

/// Counts how a deferred response ended, also when it is dropped.
struct Ending {
    ledger: Ledger,
    outcome: Outcome,
}

enum Outcome {
    Ok,
    Error,
    Panic,
    Elapsed,
    Cancelled,
    Full,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let deferred = &self.ledger.deferred;
        let counter = match self.outcome {
            Outcome::Ok => &deferred.ok,
            Outcome::Error => &deferred.error,
            Outcome::Panic => &deferred.panic,
            Outcome::Elapsed => &deferred.elapsed,
            Outcome::Cancelled => &deferred.cancelled,
            Outcome::Full => return,
        };
        counter.add(1);
    }
}

/// A computed response was deferred more often than is allowed.
#[derive(Debug)]
struct TooDeep {
    depth: u32,
}

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deferred again more than {} times", self.depth)
    }
}

impl std::error::Error for TooDeep {}

/// The status was an informational one, which is no final response (RFC 9110 §15.2).
#[derive(Debug)]
struct NoFinalStatus(u16);

impl fmt::Display for NoFinalStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a deferred response ended with {}, which is no final status",
            self.0
        )
    }
}

impl std::error::Error for NoFinalStatus {}
