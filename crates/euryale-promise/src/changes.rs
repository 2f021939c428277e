//! What shared values depend on, and what happens when it changes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::bus::{Bus, Delivery, Subscription};

use crate::shared::SharedPromises;

/// The channel of names that have changed.
const CHANNEL: &str = "euryale.promises";

/// Drops shared values when something changes that they [depend on](crate::Key::depends_on), in
/// this process and, through a bus, in all others.
///
/// Made by [`RepublishLayer::changes`](crate::RepublishLayer::changes). A publisher calls
/// [`changed`](Changes::changed) after its commit, and the program runs [`follow`](Changes::follow)
/// beside its server:
///
/// ```
/// use std::sync::Arc;
///
/// use euryale_core::bus::Fanout;
/// use euryale_core::{Abort, Database, Transaction};
/// use euryale_promise::{Changes, Key, RepublishLayer};
///
/// const SUMMARY: Key<String> = Key::new("summary");
///
/// fn summary(page: u32) -> Key<String> {
///     SUMMARY.with(page).depends_on(format_args!("page:{page}"))
/// }
///
/// fn edit<D: Database>(
///     page: u32,
///     changes: &Changes,
///     transaction: &mut Transaction<'_, D>,
/// ) -> Result<(), Abort> {
///     transaction.connection()?; // …
///     let changes = changes.clone();
///     transaction.after_commit(move || changes.changed(format_args!("page:{page}")));
///     Ok(())
/// }
/// # let _ = (summary, edit::<()>);
///
/// let layer = RepublishLayer::new();
/// let changes = layer.changes(Arc::new(Fanout::new()));
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # let _entered = runtime.enter();
/// tokio::spawn(changes.follow());
/// ```
///
/// # How old may a value be?
///
/// A process drops a value as soon as it gets the message about the commit. If a message is lost,
/// the bus reports a gap, and all values that depend on anything are dropped. If a process is
/// killed between its commit and its message, some buses report that as well; otherwise the value's
/// own time is the limit.
///
/// A promise that runs while something changes is not kept: its value goes only to the requests
/// that wait for it already.
#[derive(Clone)]
pub struct Changes {
    shared: Arc<SharedPromises>,
    bus: Arc<dyn Bus>,
}

impl Changes {
    pub(crate) fn new(shared: Arc<SharedPromises>, bus: Arc<dyn Bus>) -> Self {
        Self { shared, bus }
    }

    /// Drops the values that depend on `name`: here at once, and in other processes when they get
    /// the message. Does not block, and drops no value in the middle of its use.
    pub fn changed(&self, name: impl fmt::Display) {
        let name = name.to_string();
        self.shared.forget(&name);
        if self.bus.publish(CHANNEL, name.into()).is_err() {
            // Too long for a message. An empty one stands for everything.
            let _ = self.bus.publish(CHANNEL, Bytes::new());
        }
    }

    /// Drops what other processes have changed, for as long as the bus lasts.
    ///
    /// Messages count from the call on, and not only once the future is polled.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let changes = self.bus.subscribe(CHANNEL);
        follow(shared, changes)
    }
}

async fn follow(shared: Arc<SharedPromises>, mut changes: Subscription) {
    while let Some(change) = changes.next().await {
        match change {
            Delivery::Message(name) if !name.is_empty() => match std::str::from_utf8(&name) {
                Ok(name) => shared.forget(name),
                Err(_) => shared.forget_all(),
            },
            Delivery::Message(_) | Delivery::Gap => shared.forget_all(),
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
