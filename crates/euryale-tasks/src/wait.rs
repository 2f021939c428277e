//! Waits for the end of tasks. One query looks for all tasks that this process waits for.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::body::Deferred;
use euryale_core::error::{ELAPSED, ErrorChain};
use euryale_core::{Database, Error, Response};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::codes::TASK_DEAD;
use crate::payload::TaskId;
use crate::table::TaskEnd;
use crate::tasks::Tasks;
use crate::waits::Waits;

/// The interval at which the table is read for tasks that other processes run.
const POLL: Duration = Duration::from_millis(200);

/// The maximum number of tasks that one query looks for.
const BATCH: usize = 500;

impl<D: Database> Tasks<D> {
    /// Waits for the end of a task, for at most `within`, and returns its outcome. Waiting needs
    /// neither a worker nor a connection.
    ///
    /// The task must have been committed before: a task without a row has ended. So wait for it in
    /// a promise of a later request or pass, or in another task:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use euryale_core::{Abort, Database, Request};
    /// # use euryale_tasks::{TaskId, Tasks};
    /// use euryale::promise::PromisesExt;
    ///
    /// fn length<D: Database>(
    ///     tasks: &Tasks<D>,
    ///     id: TaskId,
    ///     request: &Request,
    /// ) -> Result<u64, Abort> {
    ///     let wait = tasks.wait(id, Duration::from_secs(10));
    ///     let outcome = request.promises().ask("length", || wait).ready()??;
    ///     Ok(outcome.value()?)
    /// }
    /// ```
    ///
    /// # Errors
    /// With the code [`TASK_DEAD`], if the task has failed for the last time, and with
    /// [`ELAPSED`], if it has not ended in time.
    pub fn wait(
        &self,
        id: TaskId,
        within: Duration,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static + use<D> {
        let tasks = self.clone();
        async move {
            let ended = tasks.register(id);
            match timeout(within, ended).await {
                Ok(Ok(TaskEnd::Complete(outcome))) => Ok(Outcome { json: outcome }),
                Ok(Ok(TaskEnd::Dead(error))) => Err(Error::with_source(TASK_DEAD, error)),
                Ok(Err(_)) | Err(_) => Err(Error::new(ELAPSED)),
            }
        }
    }

    /// Returns a deferred response that waits for a task which this transaction has added, and
    /// whose outcome `respond` turns into the answer. It starts to wait after the commit.
    ///
    /// Add the task with [`keep_outcome`](crate::Enqueue::keep_outcome), and keep it for longer
    /// than `within`.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait) are answered 500 and 504.
    pub fn deferred<F>(&self, id: TaskId, within: Duration, respond: F) -> Deferred
    where
        F: FnOnce(Outcome) -> Result<Response, Error> + Send + 'static,
    {
        let ended = self.wait(id, within);
        Deferred::new(async move { respond(ended.await?) })
    }

    fn register(&self, id: TaskId) -> oneshot::Receiver<TaskEnd> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.shared.waits.lock();
        waiting.senders.entry(id).or_default().push(sender);
        let starts = !std::mem::replace(&mut waiting.is_polled, true);
        drop(waiting);
        if starts {
            let polling = Polling {
                waits: Arc::clone(&self.shared.waits),
                has_ended: false,
            };
            tokio::spawn(poll(self.clone(), polling));
        }
        receiver
    }
}

/// The outcome of a task that has succeeded.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    json: Option<String>,
}

impl Outcome {
    /// Returns the value that the task's function has returned.
    ///
    /// # Errors
    /// It was not [kept](crate::Enqueue::keep_outcome), or is not a `T`.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.json().unwrap_or("null"))
    }

    /// Returns the value as a JSON text, if it was kept.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        self.json.as_deref()
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outcome").field(&self.json).finish()
    }
}

/// The one loop that reads the table. If it ends with its runtime, the next wait starts another.
struct Polling {
    waits: Arc<Waits>,
    has_ended: bool,
}

impl Polling {
    /// Returns the tasks that somebody still waits for. The loop ends if there are none.
    fn ids(&mut self) -> Vec<TaskId> {
        let mut waiting = self.waits.lock();
        waiting.senders.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        let ids: Vec<_> = waiting.senders.keys().copied().collect();
        // Under the lock, so that a new wait either is seen here or starts another loop.
        self.has_ended = ids.is_empty();
        waiting.is_polled = !self.has_ended;
        ids
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        if !self.has_ended {
            let mut waiting = self.waits.lock();
            waiting.is_polled = false;
            waiting.senders.clear();
        }
    }
}

async fn poll<D: Database>(tasks: Tasks<D>, mut polling: Polling) {
    let mut ended = tasks.shared.ended.subscribe();
    loop {
        ended.mark_unchanged();
        let ids = polling.ids();
        if ids.is_empty() {
            return;
        }
        for ids in ids.chunks(BATCH) {
            let ids = ids.to_vec();
            let found = tasks
                .shared
                .looks
                .read(move |table, connection| table.ends(connection, &ids));
            match found.await {
                Ok(found) => found
                    .iter()
                    .for_each(|(id, end)| polling.waits.deliver(*id, end)),
                Err(error) => {
                    let error = ErrorChain::new(&error);
                    tracing::debug!(%error, "the ends of tasks cannot be read yet");
                }
            }
        }
        tokio::select! {
            _ = ended.changed() => {}
            () = sleep(POLL) => {}
        }
    }
}
