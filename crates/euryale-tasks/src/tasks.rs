//! The tasks of a program: what adds them, and what their runs need.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use euryale_core::error::OrAbort;
use euryale_core::{Abort, Database, Error, Ledger, Transaction};
use tokio::sync::watch;

use crate::access::Connections;
use crate::book::TaskBook;
use crate::codes::PAYLOAD_TOO_LARGE;
use crate::enqueue::{Added, Enqueue};
use crate::kind::Kind;
use crate::payload::{MAX_PAYLOAD, Payload, TaskId};
use crate::table::{NewTask, TaskTable};
use crate::waits::Waits;

/// The longest time that a setting has. Clocks cannot add much more to the time that they show.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The tasks of a program. Clones are handles to the same ones.
///
/// See the [crate's documentation](crate).
pub struct Tasks<D: Database> {
    pub(crate) shared: Arc<Shared<D>>,
}

pub(crate) struct Shared<D: Database> {
    pub(crate) table: Arc<dyn TaskTable<D>>,
    pub(crate) connections: Connections<D>,
    /// The connections of waits and operators.
    pub(crate) looks: Connections<D>,
    pub(crate) kinds: Vec<Kind<D>>,
    pub(crate) names: Vec<&'static str>,
    pub(crate) deadline: Duration,
    pub(crate) ledger: Ledger,
    pub(crate) book: Arc<TaskBook>,
    /// Changes whenever this process has added a task that may be due.
    pub(crate) added: watch::Sender<()>,
    /// Changes whenever a task has ended in this process.
    pub(crate) ended: watch::Sender<()>,
    pub(crate) waits: Arc<Waits>,
    pub(crate) last_id: AtomicI64,
}

impl<D: Database> Tasks<D> {
    /// Adds a task in this transaction, which becomes a writer. The task exists if and only if the
    /// transaction commits.
    ///
    /// A process whose program has registered the kind runs the task: this one at once if it has a
    /// runner with a free place, any other within its poll interval.
    ///
    /// # Errors
    /// With the code [`PAYLOAD_TOO_LARGE`], or the database's own error.
    pub fn add<P: Payload>(
        &self,
        transaction: &mut Transaction<'_, D>,
        payload: &P,
        enqueue: &Enqueue,
    ) -> Result<Added, Abort> {
        let text = serde_json::to_string(payload)?;
        if text.len() > MAX_PAYLOAD {
            let found = format!(
                "{} bytes of kind {}, at most {MAX_PAYLOAD}",
                text.len(),
                P::KIND
            );
            return Err(Abort::error(Error::with_source(PAYLOAD_TOO_LARGE, found)));
        }
        let task = NewTask::new(self.new_id(), P::KIND, &text, enqueue);
        let table = &self.shared.table;
        if !transaction.has_begun() {
            transaction.writable()?;
        }
        let added = table.add(transaction.connection()?, &task).or_abort()?;
        let shared = Arc::clone(&self.shared);
        transaction.after_commit(move || {
            if !matches!(added, Added::Kept(_)) {
                shared.book.added.add(1);
                shared.added.send_replace(());
            }
        });
        Ok(added)
    }

    /// Returns the id of a new task: the milliseconds since 1970 and a random number, or the number
    /// after the last one. Two processes rarely choose the same, and the table then refuses it.
    fn new_id(&self) -> TaskId {
        const RANDOM: u32 = 20;
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let milliseconds = i64::try_from(since.as_millis()).unwrap_or_default();
        let new = (milliseconds << RANDOM) | fastrand::i64(0..1 << RANDOM);
        let last = &self.shared.last_id;
        let before = last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(new.max(last + 1))
            })
            .unwrap_or_default();
        TaskId::new(new.max(before + 1))
    }

    /// Returns how long a taken task is held. A run is over after its deadline; the rest is for the
    /// runner, to write down how it has ended.
    pub(crate) fn hold(&self) -> Duration {
        let deadline = self.shared.deadline;
        deadline + (deadline / 4).min(Duration::from_secs(10))
    }

    pub(crate) fn kind(&self, name: &str) -> Option<&Kind<D>> {
        self.shared.kinds.iter().find(|kind| kind.name == name)
    }
}

impl<D: Database> Clone for Tasks<D> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<D: Database> fmt::Debug for Tasks<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("kinds", &self.shared.names)
            .finish_non_exhaustive()
    }
}
