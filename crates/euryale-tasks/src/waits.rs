//! The tasks whose ends this process waits for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::payload::TaskId;
use crate::table::TaskEnd;

/// The tasks that this process waits for.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<Waiting>);

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) senders: HashMap<TaskId, Vec<oneshot::Sender<TaskEnd>>>,
    /// Whether a loop reads the table for them.
    pub(crate) is_polled: bool,
}

impl Waits {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn deliver(&self, id: TaskId, end: &TaskEnd) {
        let senders = self.lock().senders.remove(&id).unwrap_or_default();
        for sender in senders {
            // A wait may have ended in the meantime.
            let _ = sender.send(end.clone());
        }
    }
}
