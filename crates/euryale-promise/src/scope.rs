//! What a pass is given: the values of those before, and the layer's settings.

use std::sync::Arc;

use euryale_core::ledger::Counter;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::asks::{Ask, Job, Sharing, Terms, Value};
use crate::key::KeyId;
use crate::run::Engine;
use crate::shared::Found;

/// Stands in the extensions of a request; made new for every pass, and never changed.
#[derive(Clone)]
pub(crate) struct Scope {
    engine: Arc<Engine>,
    settled: Arc<[(KeyId, Value)]>,
    runtime: Handle,
}

impl Scope {
    pub(crate) fn new(engine: &Arc<Engine>, settled: &[(KeyId, Value)], runtime: &Handle) -> Self {
        Self { engine: Arc::clone(engine), settled: settled.into(), runtime: runtime.clone() }
    }

    pub(crate) fn settled(&self, key: &KeyId) -> Option<&Value> {
        self.settled.iter().find(|(settled, _)| settled == key).map(|(_, value)| value)
    }

    pub(crate) fn settled_len(&self) -> usize {
        self.settled.len()
    }

    pub(crate) fn limit(&self) -> usize {
        self.engine.settings.promises
    }

    /// A value that other requests asked for, or the job back. One that is stale is given, and refreshed.
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
            let (engine, ask) = (Arc::clone(&self.engine), Ask { key: key.clone(), job, terms });
            let refresh = async move { engine.refresh(ask, sharing).await };
            // It ends with its promise's deadline at the latest.
            self.runtime.spawn(refresh.in_current_span());
        }
        (Some(value), None)
    }

    fn count(&self, counter: fn(&euryale_core::ledger::Promises) -> &Counter) {
        counter(&self.engine.settings.ledger.promises).add(1);
    }
}
