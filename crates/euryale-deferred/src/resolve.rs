//! Turns a deferred response into the one that is sent.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::body::{DeferredHandle, WriterHandle, own_framing};
use euryale_core::error::{ELAPSED, LANE_FULL, PANICKED, PanicMessage};
use euryale_core::ledger::GaugeGuard;
use euryale_core::threads::{Place, Turn};
use euryale_core::{Body, BoxError, Deferred, Error, Response};
use http::header::SET_COOKIE;
use http::response::Parts;

use crate::blocking::{self, Need, Reserved, Room, counted, enter};
use crate::settings::Settings;
use crate::{DEFERRED_FAILED, DeferredBook};

/// A response from the inner service, by its kind.
pub(crate) enum Found {
    Answer(Response),
    /// A response that has yet to be computed, with the publisher's own response and the room for
    /// it.
    Deferred(Box<Parts>, Deferred, Option<Room>),
    /// A response whose body waits for its turn to be written.
    Writer(Response, Option<Place>),
}

/// Inspects a response of the inner service, and finds room for it if no gate did.
pub(crate) fn receive(
    mut response: Response,
    head: bool,
    settings: &Settings,
) -> Result<Found, Error> {
    // A body of our own type is recognized directly. One that was boxed on the way has a handle in
    // the extensions.
    Body::publish_handle(&mut response, &settings.ledger);
    let need = Need::of(&response, head);
    let room = need.map(|need| blocking::room(&mut response, &need, settings));
    Ok(look(response, head, room.transpose()?, settings))
}

fn look(mut response: Response, head: bool, room: Option<Room>, settings: &Settings) -> Found {
    Body::publish_handle(&mut response, &settings.ledger);
    match Need::of(&response, head) {
        Some(Need::Future | Need::Blocking) => {
            let handle = response.extensions().get::<DeferredHandle>();
            match handle.and_then(DeferredHandle::take) {
                Some(deferred) => {
                    let (first, _) = response.into_parts();
                    Found::Deferred(Box::new(first), deferred, room)
                }
                None => Found::Answer(response),
            }
        }
        Some(Need::Writer) => {
            let Some(Room::Writer(place)) = room else {
                return Found::Writer(response, None);
            };
            match place.try_enter() {
                Ok(turn) => Found::Answer(write_in(turn, response, settings)),
                Err(place) => Found::Writer(response, Some(place)),
            }
        }
        None if head && is_to_be_written(&response) => Found::Answer(response.map(Body::head_only)),
        None => Found::Answer(response),
    }
}

fn is_to_be_written(response: &Response) -> bool {
    let writer = response.extensions().get::<WriterHandle>();
    writer.is_some_and(|writer| !writer.is_started())
}

/// Returns the response with a body that is written in this turn when it is polled.
fn write_in(turn: Turn, response: Response, settings: &Settings) -> Response {
    if let Some(writer) = response.extensions().get::<WriterHandle>() {
        let turn = counted(turn, &settings.book.writers);
        writer.run_by(Arc::new(Reserved::new(turn)));
        writer.window(settings.window);
        writer.stall(settings.stall);
    }
    response
}

async fn write_later(
    response: Response,
    place: Option<Place>,
    settings: &Settings,
) -> Result<Response, Error> {
    let turn = enter(place, &settings.writers).await?;
    Ok(write_in(turn, response, settings))
}

/// Waits for the turn of a body that is to be written.
pub(crate) async fn wait(
    response: Response,
    place: Option<Place>,
    settings: Arc<Settings>,
) -> Result<Response, Error> {
    within(settings.deadline, write_later(response, place, &settings)).await
}

async fn within(
    deadline: Option<Duration>,
    answer: impl Future<Output = Result<Response, Error>>,
) -> Result<Response, Error> {
    match deadline {
        None => answer.await,
        Some(deadline) => tokio::time::timeout(deadline, answer)
            .await
            .unwrap_or_else(|_| Err(Error::new(ELAPSED))),
    }
}

/// Waits for the response, and for those that it defers to.
pub(crate) async fn resolve(
    first: Parts,
    deferred: Deferred,
    room: Option<Room>,
    head: bool,
    settings: Arc<Settings>,
) -> Result<Response, Error> {
    let mut ending = Ending {
        book: Arc::clone(&settings.book),
        outcome: Outcome::Cancelled,
    };
    let computed = compute(first, deferred, room, head, &settings);
    let result = within(settings.deadline, computed).await;
    ending.outcome = match &result {
        Ok(_) => Outcome::Ok,
        Err(error) => match error.code() {
            ELAPSED => Outcome::Elapsed,
            PANICKED => Outcome::Panic,
            // Its lane has counted it.
            LANE_FULL => Outcome::Full,
            _ => Outcome::Error,
        },
    };
    result
}

async fn compute(
    mut first: Parts,
    mut deferred: Deferred,
    room: Option<Room>,
    head: bool,
    settings: &Settings,
) -> Result<Response, Error> {
    // An async response keeps its place while the one that it defers to waits, which limits their
    // number.
    let (mut place, _permit) = match room {
        Some(Room::Future(permit)) => (None, Some(permit)),
        Some(Room::Blocking(place)) => (Some(place), None),
        Some(Room::Writer(_)) | None => (None, None),
    };
    for _ in 0..=settings.depth {
        let response = one(deferred, place.take(), settings).await?;
        let response = merged(first, response);
        match look(response, head, None, settings) {
            Found::Answer(response) if head => return Ok(response.map(Body::head_only)),
            Found::Answer(response) => return Ok(response),
            Found::Writer(response, place) => return write_later(response, place, settings).await,
            Found::Deferred(parts, next, _) => (first, deferred) = (*parts, next),
        }
    }
    Err(Error::with_source(
        DEFERRED_FAILED,
        TooDeep {
            depth: settings.depth,
        },
    ))
}

/// Computes one response in its lane.
async fn one(
    mut deferred: Deferred,
    place: Option<Place>,
    settings: &Settings,
) -> Result<Response, Error> {
    let _running = if deferred.is_blocking() {
        // The closure keeps its turn until it returns, even if this future is dropped.
        let turn = enter(place, &settings.blocking).await?;
        let turn = counted(turn, &settings.book.running);
        deferred.run_by(Arc::new(Reserved::new(turn)));
        None
    } else {
        Some(GaugeGuard::new(&settings.book.running, 1))
    };
    let response = deferred.await.map_err(failed)?;
    if response.status().is_informational() {
        return Err(Error::with_source(
            DEFERRED_FAILED,
            NoFinalStatus(response.status().as_u16()),
        ));
    }
    Ok(response)
}

fn failed(error: BoxError) -> Error {
    let code = if error.is::<PanicMessage>() {
        PANICKED
    } else {
        DEFERRED_FAILED
    };
    match error.downcast::<Error>() {
        Ok(own) => *own,
        Err(foreign) => Error::with_source(code, foreign),
    }
}

/// Returns the computed response, with those headers of the first response that it does not have.
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
    // The old handle has been taken; the new body has its own, if any.
    extensions.remove::<DeferredHandle>();
    extensions.extend(std::mem::take(&mut parts.extensions));
    parts.extensions = extensions;
    own_framing(Response::from_parts(parts, body))
}

/// Counts the outcome of a deferred response, even if it is dropped.
struct Ending {
    book: Arc<DeferredBook>,
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
        let deferred = &self.book;
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

/// The computed response was deferred again more often than allowed.
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

/// The computed response had an informational status and is therefore not final (RFC 9110 §15.2).
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
