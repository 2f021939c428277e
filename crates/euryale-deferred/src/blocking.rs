//! Turns in the lanes, and places in their queues. Places are taken before the commit.

use std::sync::{Arc, Mutex, PoisonError};

use euryale_core::body::{DeferredHandle, WriterHandle};
use euryale_core::error::LANE_FULL;
use euryale_core::ledger::{Gauge, GaugeGuard};
use euryale_core::threads::{BlockingLane, Place, RunBlocking, Turn, Work};
use euryale_core::{Body, Error, Response};
use http::header::CONTENT_ENCODING;
use tokio::sync::OwnedSemaphorePermit;

use crate::settings::Settings;

/// The resources that a response needs from the layer.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    Future,
    Blocking,
    Writer,
}

impl Need {
    /// Returns the need of a response; `head` says whether it answers HEAD. An encoded body has
    /// been wrapped by another layer, which polls it.
    pub(crate) fn of(response: &Response, head: bool) -> Option<Self> {
        let extensions = response.extensions();
        let is_ours = !response.headers().contains_key(CONTENT_ENCODING);
        let deferred = extensions
            .get::<DeferredHandle>()
            .filter(|deferred| is_ours && !deferred.is_taken());
        if let Some(deferred) = deferred {
            return Some(if deferred.is_blocking() {
                Self::Blocking
            } else {
                Self::Future
            });
        }
        let writer = extensions.get::<WriterHandle>()?;
        (!head && !writer.is_started()).then_some(Self::Writer)
    }
}

/// The room that is reserved for a response, by its need. A response with room is never refused.
pub(crate) enum Room {
    Future(OwnedSemaphorePermit),
    Blocking(Place),
    Writer(Place),
}

impl Room {
    /// Reserves room for this need, or fails if all places are taken at the moment.
    pub(crate) fn find(need: &Need, settings: &Settings) -> Result<Self, Error> {
        let found = match need {
            Need::Future => Arc::clone(&settings.futures)
                .try_acquire_owned()
                .map(Self::Future)
                .map_err(|_| Error::new(LANE_FULL)),
            Need::Blocking => settings.blocking.reserve().map(Self::Blocking),
            Need::Writer => settings.writers.reserve().map(Self::Writer),
        };
        found.inspect_err(|_| settings.book.full.add(1))
    }

    fn is_for(&self, need: &Need) -> bool {
        matches!(
            (self, need),
            (Self::Future(_), Need::Future)
                | (Self::Blocking(_), Need::Blocking)
                | (Self::Writer(_), Need::Writer)
        )
    }
}

/// The room of a response. It is in the extensions until the layer takes it.
#[derive(Clone)]
struct Kept(Arc<Mutex<Option<Room>>>);

/// Reserves room for a response, or refuses it. Called before the commit.
pub(crate) fn admit(response: &mut Response, head: bool, settings: &Settings) -> Result<(), Error> {
    Body::publish_handle(response, &settings.ledger);
    if let Some(need) = Need::of(response, head) {
        let room = Room::find(&need, settings)?;
        let kept = Kept(Arc::new(Mutex::new(Some(room))));
        response.extensions_mut().insert(kept);
    }
    Ok(())
}

/// Returns the room that a response got before the commit, if it still matches its need. Otherwise
/// no gate was asked (the answer is from an axum handler or an abort), and the response may still
/// be refused here.
pub(crate) fn room(
    response: &mut Response,
    need: &Need,
    settings: &Settings,
) -> Result<Room, Error> {
    let kept = response.extensions_mut().remove::<Kept>();
    kept.and_then(|Kept(room)| room.lock().unwrap_or_else(PoisonError::into_inner).take())
        .filter(|room| room.is_for(need))
        .map_or_else(|| Room::find(need, settings), Ok)
}

/// Waits for a turn. Without a place, the length of the queue does not matter.
pub(crate) async fn enter(place: Option<Place>, lane: &BlockingLane) -> Result<Turn, Error> {
    match place {
        Some(place) => place.enter().await,
        None => lane.enter_unrefused().await,
    }
}

pub(crate) fn counted(turn: Turn, gauge: &Gauge) -> Turn {
    turn.counted(GaugeGuard::new(gauge, 1))
}

/// A turn that is reserved for later work, which may never start.
pub(crate) struct Reserved(Mutex<Option<Turn>>);

impl Reserved {
    pub(crate) fn new(turn: Turn) -> Self {
        Self(Mutex::new(Some(turn)))
    }
}

impl RunBlocking for Reserved {
    fn run(&self, work: Work) -> Result<(), Error> {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        turn.ok_or_else(|| Error::new(LANE_FULL))?.run(work)
    }
}
