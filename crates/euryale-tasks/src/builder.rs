//! The settings of tasks, and the kinds that a program runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use euryale_core::transaction::Claim;
use euryale_core::{Abort, Body, Database, Ledger, Transaction};
use http::Uri;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::access::Connections;
use crate::kind::Kind;
use crate::payload::Payload;
use crate::table::TaskTable;
use crate::task::{Step, Task};
use crate::tasks::{LONGEST, Shared, Tasks};

impl<D: Database> Tasks<D> {
    /// Returns a builder for tasks in `table`, in the database to whose connections `claims`
    /// returns claims. Taking and ending tasks needs a connection for a moment, so use the lane in
    /// which tasks run: `move || pool.claim().lane(lane)`.
    pub fn builder<C>(
        table: impl TaskTable<D>,
        claims: impl Fn() -> C + Send + Sync + 'static,
    ) -> TasksBuilder<D>
    where
        C: Claim<Database = D>,
    {
        let table: Arc<dyn TaskTable<D>> = Arc::new(table);
        TasksBuilder {
            connections: Connections::new(&table, claims),
            table,
            looks: None,
            kinds: Vec::new(),
            deadline: Duration::from_secs(300),
            ledger: Ledger::new(),
        }
    }
}

/// The settings of [`Tasks`], and the kinds that the program runs.
///
/// # Panics
/// A method that registers a kind panics if there is one of the same name already.
#[must_use]
pub struct TasksBuilder<D: Database> {
    table: Arc<dyn TaskTable<D>>,
    connections: Connections<D>,
    looks: Option<Connections<D>>,
    kinds: Vec<Kind<D>>,
    deadline: Duration,
    ledger: Ledger,
}

impl<D: Database> TasksBuilder<D> {
    /// Runs tasks of the kind `P` by this function, in a transaction of its own. If it returns
    /// `Ok`, its effect and the end of the task are one commit. Its value is the task's outcome,
    /// which is stored for tasks whose [outcome is kept](crate::Enqueue::keep_outcome).
    ///
    /// The transaction begins when the function first calls `connection`. A function that computes
    /// for long before that keeps no other writer waiting.
    pub fn function<P, R, F>(self, f: F) -> Self
    where
        P: Payload,
        R: Serialize,
        F: Fn(&Task<'_, D, P>, &mut Transaction<'_, D>) -> Result<R, Abort> + Send + Sync + 'static,
    {
        self.kind(Kind::function(f))
    }

    /// Runs tasks of the kind `P` in steps, for work that is too long for one transaction. The
    /// function gets the cursor of the last step, `None` at first. Each step and its cursor are one
    /// commit, and a run that fails or is killed continues after the last step.
    ///
    /// Attempts and the deadline are those of one step.
    pub fn in_steps<P, C, F>(self, f: F) -> Self
    where
        P: Payload,
        C: Serialize + DeserializeOwned + 'static,
        F: Fn(&Task<'_, D, P>, Option<C>, &mut Transaction<'_, D>) -> Result<Step<C>, Abort>
            + Send
            + Sync
            + 'static,
    {
        self.kind(Kind::in_steps(f))
    }

    /// Runs tasks of the kind `P` by a POST to this path of the site, with the payload as a JSON
    /// body. The [`Run`](crate::Run) is in the request's extensions. A 2xx response commits and
    /// ends the task; any other one aborts.
    ///
    /// # Panics
    /// `path` is not a path, such as `/@@send`.
    pub fn post<P: Payload>(self, path: &str) -> Self {
        let uri: Uri = match path.parse() {
            Ok(uri) if path.starts_with('/') => uri,
            _ => panic!(
                "tasks of kind {} are posted to {path:?}, which is not a path",
                P::KIND
            ),
        };
        self.kind(Kind::post::<P>(uri))
    }

    /// Runs tasks of the kind `P` by the request that `f` makes, and otherwise like
    /// [`post`](Self::post).
    pub fn request<P: Payload>(
        self,
        f: impl Fn(P) -> http::Request<Body> + Send + Sync + 'static,
    ) -> Self {
        self.kind(Kind::request(f))
    }

    fn kind(mut self, kind: Kind<D>) -> Self {
        let name = kind.name;
        let is_new = self.kinds.iter().all(|other| other.name != name);
        assert!(is_new, "the kind {name:?} of tasks is registered already");
        self.kinds.push(kind);
        self
    }

    /// The maximum time of one run, from when it is taken to its commit, and the time after which
    /// another process may take the task although this one still lives. Default: 5 minutes.
    ///
    /// After it the run counts as failed, and its commit is refused. Give the same deadline to the
    /// stack (`Stack::deadline_for` with [`Run::deadline`](crate::Run::deadline)), so that a slow
    /// statement is stopped. A function that never returns and calls no database keeps its worker
    /// and its place, because no thread can be stopped from outside.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(LONGEST);
        self
    }

    /// Looks for the ends of tasks for which requests wait on these connections: those of the
    /// pool's default lane, so that a wait is not queued behind the tasks themselves. Default: the
    /// connections on which tasks are taken.
    pub fn waits<C>(mut self, claims: impl Fn() -> C + Send + Sync + 'static) -> Self
    where
        C: Claim<Database = D>,
    {
        self.looks = Some(Connections::new(&self.table, claims));
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Returns the tasks.
    #[must_use]
    pub fn build(self) -> Tasks<D> {
        let Self {
            table,
            connections,
            looks,
            kinds,
            deadline,
            ledger,
        } = self;
        Tasks {
            shared: Arc::new(Shared {
                table,
                looks: looks.unwrap_or_else(|| connections.clone()).ledger(&ledger),
                connections: connections.ledger(&ledger),
                names: kinds.iter().map(|kind| kind.name).collect(),
                kinds,
                deadline,
                book: ledger.of(),
                ledger,
                added: watch::Sender::new(()),
                ended: watch::Sender::new(()),
                waits: Arc::default(),
                last_id: AtomicI64::new(0),
            }),
        }
    }
}

impl<D: Database> fmt::Debug for TasksBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TasksBuilder")
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}
