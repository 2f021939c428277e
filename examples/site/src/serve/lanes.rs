//! The parts of the site that have blocking threads. They are made before the runtime, which gets
//! as many threads as they declare, and outlive a reload: the old and the new site share them.

use euryale::blob::{OffloadLayer, ServeBlobLayer};
use euryale::threads::BlockingLane;
use euryale::transform::TransformChainLayer;
use euryale::{Ledger, StackLayers};

use crate::cli::settings;
use crate::pages::{scale, theme};

/// The number of threads that check whether a file that a proxy will send still exists.
const CHECKS: usize = 4;

#[derive(Clone)]
pub(crate) struct Lanes {
    pub(crate) layers: StackLayers,
    /// For a site whose files are sent by a proxy.
    pub(crate) offload: OffloadLayer,
    /// No transform yet.
    pub(crate) chain: TransformChainLayer,
    /// Files of a theme that are in a folder.
    pub(crate) theme: ServeBlobLayer,
    pub(crate) pictures: BlockingLane,
}

impl Lanes {
    pub(crate) fn new(ledger: &Ledger) -> Self {
        let mut layers = StackLayers::new(ledger);
        layers.deferred = layers
            .deferred
            .writers(settings::EXPORTS)
            .writers_waiting(settings::EXPORTS_WAITING);
        // Only a site with a proxy that sends files counts these.
        let checks = BlockingLane::new("offload", CHECKS);
        checks.declare(ledger);
        Self {
            layers,
            offload: OffloadLayer::new().with_lane(checks),
            chain: TransformChainLayer::new()
                .threads(theme::threads())
                .ledger(ledger.clone()),
            theme: ServeBlobLayer::new()
                .readers(theme::READERS)
                .ledger(ledger.clone()),
            pictures: scale::lane().ledger(ledger.clone()),
        }
    }
}
