//! The promises that one pass has asked for. They are a slot of its `Attempt`.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::Pending;
use euryale_core::transaction::Attempt;

use crate::PromiseError;
use crate::key::KeyId;

/// The value of a resolved promise, without its type. All passes share it, and it never changes.
pub(crate) type Value = Result<Arc<dyn Any + Send + Sync>, PromiseError>;

/// The code of a promise. It is `'static` and gets no argument, so it cannot hold a transaction.
pub(crate) enum Job {
    Async(Box<dyn FnOnce() -> Running + Send>),
    Blocking(Box<dyn FnOnce() -> Value + Send>),
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Value> + Send>>;

/// The terms of a promise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// The deadline; `None` for the layer's default.
    pub(crate) deadline: Option<Duration>,
    pub(crate) shared: Option<Sharing>,
}

/// How long a value is shared with other requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    pub(crate) fresh: Duration,
    pub(crate) stale: Duration,
}

pub(crate) struct Ask {
    pub(crate) key: KeyId,
    pub(crate) job: Job,
    pub(crate) terms: Terms,
}

/// The slot of an attempt.
#[derive(Default)]
pub(crate) struct Asks {
    /// Unresolved promises, in the order in which they were asked for.
    pub(crate) asked: Vec<Ask>,
    /// Values that this pass found among the shared ones.
    pub(crate) found: Vec<(KeyId, Value)>,
    /// Promises that were resolved in an earlier pass and cleared since.
    pub(crate) cleared: Vec<KeyId>,
    /// Whether the pass has asked for more promises than allowed.
    pub(crate) too_many: bool,
    is_gated: bool,
}

impl Asks {
    pub(crate) fn is_asked(&self, key: &KeyId) -> bool {
        self.asked.iter().any(|ask| ask.key == *key)
    }

    pub(crate) fn find(&self, key: &KeyId) -> Option<&Value> {
        self.found
            .iter()
            .find(|(found, _)| found == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.too_many || !self.asked.is_empty()
    }
}

/// The promises of a suspended pass, which leave the worker in a [`Pending`].
pub(crate) struct Suspension {
    pub(crate) attempt: Attempt,
}

pub(crate) fn pending(attempt: &Attempt) -> Pending {
    Pending::new(Suspension {
        attempt: attempt.clone(),
    })
}

/// Stops this attempt's commit while something is pending. A gate is asked once, so a hook that
/// asks for a promise afterwards adds another gate.
pub(crate) fn gate(attempt: &Attempt) {
    if attempt.with(|asks: &mut Asks| std::mem::replace(&mut asks.is_gated, true)) {
        return;
    }
    attempt.gate(|attempt: &Attempt| {
        let is_pending = attempt.with(|asks: &mut Asks| {
            asks.is_gated = false;
            asks.is_pending()
        });
        if is_pending {
            Err(pending(attempt).into())
        } else {
            Ok(())
        }
    });
}
