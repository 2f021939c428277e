//! Tasks: what happens after the answer, in the database of the publisher.
//!
//! A task is a row that a publisher adds in its own transaction, so it exists exactly if that
//! transaction has committed. A [`Runner`] takes the rows that are due and sends each into the
//! stack as a request of the site itself, through [`Internal`]. The run gets a worker, retries,
//! promises and a lane like any other request. Its last before-commit hook deletes the row. So
//! **the effect of a task and its end are one commit**: whatever is killed at any moment, each
//! effect in the database happens exactly once.
//!
//! A runner holds no worker and no connection while it waits. It takes a connection for a moment to
//! take tasks, from the lane in which they run.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use euryale::{Abort, Body, Pool, Request, Response, Stack, Transaction};
//! use euryale_sqlite::Sqlite;
//! use euryale_tasks::sqlite::{SCHEMA, SqliteTable};
//! use euryale_tasks::{Enqueue, Payload, Run, Task, Tasks};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Welcome {
//!     name: String,
//! }
//!
//! impl Payload for Welcome {
//!     const KIND: &'static str = "welcome";
//! }
//!
//! fn welcome(
//!     task: &Task<'_, Sqlite, Welcome>,
//!     transaction: &mut Transaction<'_, Sqlite>,
//! ) -> Result<(), Abort> {
//!     let sql = "INSERT INTO letter VALUES ('Welcome, ' || ?1)";
//!     transaction.connection()?.execute(sql, [&task.payload.name])?;
//!     Ok(()) // the letter and the end of the task are one commit
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("site.db");
//! let database = Sqlite::open(path)?;
//! database.migrate(&[SCHEMA, "CREATE TABLE letter (text TEXT)"])?;
//! let table = SqliteTable::open(&database)?;
//! let pool = Pool::builder(database).connections(4).lane("tasks", 1).build();
//! let lane = pool.lane("tasks").expect("it was built with it");
//! let claims = { let pool = pool.clone(); move || pool.claim().lane(lane) };
//! let tasks = Tasks::builder(table, claims).function(welcome).build();
//!
//! let adding = tasks.clone();
//! let publisher = move |_: &Request, transaction: &mut Transaction<'_, Sqlite>| {
//!     adding.add(transaction, &Welcome { name: "Ada".into() }, &Enqueue::new())?;
//!     Ok(Response::new(Body::from("added"))) // the task exists once this commits
//! };
//! let site = Stack::new(pool.clone())
//!     .lane(lane, |request| Run::of(request.extensions()).is_some())
//!     .publisher(tasks.around(publisher));
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let runner = tasks.runner(site.internal()).start();
//! # use tower::ServiceExt;
//! site.oneshot(http::Request::new(Body::empty())).await?;
//! let letters = async || {
//!     let count = "SELECT count(*) FROM letter";
//!     pool.run(|connection| connection.query_row(count, [], |row| row.get::<_, i64>(0))).await
//! };
//! while letters().await?? == 0 {
//!     tokio::time::sleep(Duration::from_millis(5)).await; // or answer with `Tasks::deferred`
//! }
//! runner.drain(Duration::from_secs(10)).await?;
//! # Ok(())
//! # })
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # How does a task run?
//!
//! | registered by | runs as | for |
//! |---|---|---|
//! | [`function`](TasksBuilder::function) | a function of the payload and the transaction | most tasks |
//! | [`in_steps`](TasksBuilder::in_steps) | the same, again and again: each step is a commit with a cursor | work that is too long for one transaction |
//! | [`post`](TasksBuilder::post), [`request`](TasksBuilder::request) | a request to a route of the site | work that a route does already |
//!
//! A function gets its request, by which it can ask for promises. A task that waits for one holds
//! neither a worker nor a place, and runs again once the promise is resolved.
//!
//! A process takes only tasks for which it has a free place ([`RunnerBuilder::share`]), and only of
//! kinds that its program has registered. So unknown kinds wait for a newer program. The tasks of
//! the highest priority are taken first, and of those the oldest.
//!
//! # Exactly once, or at least once?
//!
//! What a task does in its transaction happens exactly once. What it does elsewhere (a mail, a call
//! of another service) happens at least once, because the process may end between that and its
//! commit. Pass [`Run::id`] to the other side as the key by which it recognizes a repetition.
//!
//! # How does a request wait for a task?
//!
//! A publisher that adds a task and answers with its result returns [`Tasks::deferred`], which
//! waits after the commit. A task that was committed earlier is awaited in a promise, by
//! [`Tasks::wait`]. Both read the table for all waits of a process together, and hold no connection
//! while they wait.
//!
//! # When is a task tried again?
//!
//! | the run | then |
//! |---|---|
//! | returns `Ok`, or a 2xx response | its acknowledgement commits, and the task has ended |
//! | fails with an error or a panic, or is answered 408, 409, 425, 429 or 5xx | it is tried again after 2, 4, 8 … seconds, at most about an hour, give or take a fifth; a `Retry-After` can extend the pause |
//! | is answered otherwise, or has a payload that does not parse | it is dead at once |
//! | takes longer than the [deadline](TasksBuilder::deadline) | it is tried again, and a late commit is refused |
//! | ends with its process | another process takes the task again within seconds |
//! | is refused before it begins (the queue is full, the pool closes) | it is given back, and no attempt is counted |
//! | meets a conflict, or waits for promises | it is published again at once, as any request, and no attempt is counted |
//!
//! After its last [attempt](Enqueue::attempts) a task is dead. It stays in the table, with its
//! error.
//!
//! [`Tasks::counts`], [`list`](Tasks::list) and [`show`](Tasks::show) are for operators' pages and
//! commands, and so are [`retry`](Tasks::retry), [`cancel`](Tasks::cancel), [`pause`](Tasks::pause)
//! and [`resume`](Tasks::resume).
//!
//! A run is *held*: by its process, by a deadline and by a random token. Its acknowledgement is
//! refused if the token does not match, with the code [`FENCED`], so a process that was stopped for
//! a while and continues commits nothing of a task that another one has taken.
//!
//! It replaces, from Zope: `collective.taskqueue`, which also adds a task on commit, but loses it
//! if the process is killed between the commit and the queue, and `zamqp`.
//!
//! # Features
//!
//! `sqlite`, off by default: the table in SQLite ([`sqlite`]).
//!
//! # Cancellation
//!
//! [`Runner::drain`] takes no further tasks, gives back those whose run has not begun, and waits
//! for the others. If a runner is dropped, the same happens without the wait. If the process is
//! killed, other processes run its tasks again.
//!
//! # Backpressure
//!
//! Tasks wait in the table, and cost nothing there. Their number is not limited.
//!
//! # Errors
//!
//! [`Tasks::add`] returns [`PAYLOAD_TOO_LARGE`] or the database's error. Failures of runs are
//! logged with the kind, the id and the attempt, at WARN, and at ERROR if the task is dead.
//!
//! # Panics
//!
//! A panic in a task is a failed attempt. [`RunnerBuilder::start`] panics outside a tokio runtime.
//!
//! [`Internal`]: euryale_core::request::Internal

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod backoff;
mod book;
mod builder;
mod codes;
mod enqueue;
mod execute;
mod kind;
mod operate;
mod payload;
mod place;
mod publisher;
mod rows;
mod run;
mod runner;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;
mod table;
mod task;
mod tasks;
mod verdict;
mod wait;
mod waits;

pub use self::book::TaskBook;
pub use self::builder::TasksBuilder;
pub use self::codes::{BAD_PAYLOAD, FENCED, PAYLOAD_TOO_LARGE, TASK_DEAD, UNFINISHED_ANSWER};
pub use self::enqueue::{Added, DEFAULT_QUEUE, Enqueue, IfThere, When};
pub use self::payload::{MAX_PAYLOAD, Payload, TaskId};
pub use self::publisher::RunTasks;
pub use self::rows::{Retry, TaskCount, TaskRow, TaskState};
pub use self::run::Run;
pub use self::runner::{Runner, RunnerBuilder, StillRunning};
pub use self::table::{
    Done, Failure, Held, Looked, NewTask, Next, RescuedTask, StepDone, TakenTask, TaskEnd,
    TaskTable, Wanted,
};
pub use self::task::{Step, Task};
pub use self::tasks::Tasks;
pub use self::wait::Outcome;
