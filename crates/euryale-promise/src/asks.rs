//! The promises that one pass asked for: a slot of its `Attempt`.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::Pending;
use euryale_core::transaction::Attempt;

use crate::PromiseError;
use crate::key::KeyId;

/// What a promise resolved to, without its type. Shared by all passes, and never changed.
pub(crate) type Value = Result<Arc<dyn Any + Send + Sync>, PromiseError>;

/// The code of a promise. It is `'static` and gets no argument, so it cannot hold a transaction.
pub(crate) enum Job {
    Async(Box<dyn FnOnce() -> Running + Send>),
    Blocking(Box<dyn FnOnce() -> Value + Send>),
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Value> + Send>>;

/// How a promise is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// `None`: the layer's.
    pub(crate) deadline: Option<Duration>,
    pub(crate) shared: Option<Sharing>,
}

/// How long other requests get a value.
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

/// The slot.
#[derive(Default)]
pub(crate) struct Asks {
    /// Unresolved, in the order in which they were asked for.
    pub(crate) asked: Vec<Ask>,
    /// Found among the shared values in this pass.
    pub(crate) found: Vec<(KeyId, Value)>,
    /// Resolved in an earlier pass and not wanted any more.
    pub(crate) cleared: Vec<KeyId>,
    /// More was asked for than is allowed.
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

    fn is_pending(&self) -> bool {
        self.too_many || !self.asked.is_empty()
    }
}

/// The promises of a suspended pass, on their way out of the worker in a [`Pending`].
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
