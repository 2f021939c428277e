//! The input of a pass: the values of earlier passes, and the layer's settings.

use std::sync::Arc;

use euryale_core::ledger::Counter;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::PromiseBook;
use crate::asks::{Ask, Job, Sharing, Terms, Value};
use crate::key::KeyId;
use crate::run::Engine;
use crate::shared::Found;

/// Stored in the context of a request; created for every pass, and never changed.
#[derive(Clone)]
pub(crate) struct Scope {
    engine: Arc<Engine>,
    /// `None` in every first pass.
    settled: Option<Arc<[(KeyId, Value)]>>,
    runtime: Handle,
}

impl Scope {
    /// Creates the scope of a pass. Panics outside a runtime.
    pub(crate) fn new(engine: &Arc<Engine>, settled: &[(KeyId, Value)]) -> Self {
        let settled = if settled.is_empty() {
            None
        } else {
            Some(settled.into())
        };
        Self {
            engine: Arc::clone(engine),
            settled,
            runtime: Handle::current(),
        }
    }

    fn all_settled(&self) -> &[(KeyId, Value)] {
        self.settled.as_deref().unwrap_or_default()
    }

    pub(crate) fn settled(&self, key: &KeyId) -> Option<&Value> {
        self.all_settled()
            .iter()
            .find(|(settled, _)| settled == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn settled_len(&self) -> usize {
        self.all_settled().len()
    }

    pub(crate) fn limit(&self) -> usize {
        self.engine.settings.promises
    }

    /// Returns a shared value, or the job. A stale value is also returned, and refreshed.
    pub(crate) fn shared(
        &self,
        key: &KeyId,
        job: Job,
        terms: Terms,
        sharing: Sharing,
    ) -> (Option<Value>, Option<Job>) {
        let (value, is_stale) = match self.engine.settings.shared.find(key, Instant::now()) {
            Found::Fresh(value) => (value, false),
            Found::Stale(value) => (value, true),
            Found::Nothing => return (None, Some(job)),
        };
        self.count(|promises| &promises.shared);
        if is_stale {
            let engine = Arc::clone(&self.engine);
            let ask = Ask {
                key: key.clone(),
                job,
                terms,
            };
            let refresh = async move { engine.refresh(ask, sharing).await };
            // The refresh ends at its promise's deadline at the latest.
            self.runtime.spawn(refresh.in_current_span());
        }
        (Some(value), None)
    }

    fn count(&self, counter: fn(&PromiseBook) -> &Counter) {
        counter(&self.engine.settings.book).add(1);
    }
}
