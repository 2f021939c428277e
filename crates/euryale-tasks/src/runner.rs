//! Takes tasks and runs them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::{CLOSED, ErrorChain};
use euryale_core::request::Internal;
use euryale_core::{Database, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use crate::backoff;
use crate::execute::execute;
use crate::place::Places;
use crate::table::{Looked, RescuedTask, TakenTask, TaskTable, Wanted};
use crate::tasks::{LONGEST, Tasks};

/// The interval at which a process looks for tasks whose process has ended.
const RESCUE: Duration = Duration::from_secs(2);

/// The settings of a [`Runner`]; made by [`Tasks::runner`].
#[must_use]
pub struct RunnerBuilder<D: Database> {
    tasks: Tasks<D>,
    internal: Internal,
    share: usize,
    suspended: usize,
    queues: Option<Arc<[String]>>,
    poll: Duration,
}

impl<D: Database> Tasks<D> {
    /// Returns the settings of a runner, which takes tasks and sends their runs to `internal`: the
    /// stack whose publisher is [wrapped](Self::around).
    pub fn runner(&self, internal: &Internal) -> RunnerBuilder<D> {
        RunnerBuilder {
            tasks: self.clone(),
            internal: internal.clone(),
            share: 1,
            suspended: 100,
            queues: None,
            poll: Duration::from_secs(1),
        }
    }
}

impl<D: Database> RunnerBuilder<D> {
    /// The maximum number of tasks that run at a time; 0 counts as 1. Tasks are taken only for free
    /// places, so that none waits while it is held. Default: 1.
    ///
    /// Give the pool a lane with the same share, and let the runs wait in it, so that they never
    /// take the connections of pages.
    pub fn share(mut self, share: usize) -> Self {
        self.share = share.max(1);
        self
    }

    /// The maximum number of tasks that wait for promises beside those that run. Further ones keep
    /// their place while they wait. Default: 100.
    pub fn suspended(mut self, most: usize) -> Self {
        self.suspended = most;
        self
    }

    /// Takes only tasks of these queues. Default: of all.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.queues = Some(queues.into_iter().map(Into::into).collect());
        self
    }

    /// The interval at which the table is read, less up to a fifth. Tasks that this process adds,
    /// and delayed tasks that it knows of, do not wait for it. Default: 1 s.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.poll = interval.min(LONGEST);
        self
    }

    /// Starts the runner on the current runtime.
    ///
    /// # Panics
    /// There is no tokio runtime, or it has no timer.
    pub fn start(self) -> Runner {
        let book = &self.tasks.shared.book;
        let places = Places::new(
            self.share,
            self.suspended,
            book.running.clone(),
            book.suspended.clone(),
        );
        let draining = watch::Sender::new(false);
        let takes = Takes {
            tasks: self.tasks.clone(),
            internal: self.internal,
            places: places.clone(),
            queues: self.queues,
            poll: self.poll,
            draining: draining.subscribe(),
        };
        let working = watch::Sender::new(());
        let work = working.subscribe();
        tokio::spawn(async move {
            takes.run().await;
            drop(work);
        });
        let ends = draining.subscribe();
        let work = working.subscribe();
        tokio::spawn(async move {
            rescue(&self.tasks, ends).await;
            drop(work);
        });
        Runner {
            draining,
            working,
            places,
        }
    }
}

impl<D: Database> fmt::Debug for RunnerBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunnerBuilder")
            .field("share", &self.share)
            .field("suspended", &self.suspended)
            .field("queues", &self.queues)
            .field("poll", &self.poll)
            .finish_non_exhaustive()
    }
}

/// Takes tasks and runs them, until it is [drained](Runner::drain) or dropped. Made by
/// [`RunnerBuilder::start`].
///
/// After it is dropped, it takes no further tasks. Runs that have begun end by themselves, and
/// tasks whose run has not begun are given back.
#[must_use = "a runner takes no tasks once it is dropped"]
#[derive(Debug)]
pub struct Runner {
    draining: watch::Sender<bool>,
    /// Closed once no look and no rescue is left.
    working: watch::Sender<()>,
    places: Places,
}

impl Runner {
    /// Takes no further tasks, gives those back whose run has not begun, and waits for the others.
    /// Call it before the pool is closed.
    ///
    /// # Errors
    /// [`StillRunning`], if tasks were still running after `within`. They may end as long as the
    /// program lives; afterwards another process runs them again.
    pub async fn drain(self, within: Duration) -> Result<(), StillRunning> {
        self.draining.send_replace(true);
        let mut in_use = self.places.watch();
        let ended = async {
            self.working.closed().await;
            // `self` holds the sender, so the channel cannot close while this waits.
            let _ = in_use.wait_for(|&in_use| in_use == 0).await;
        };
        if tokio::time::timeout(within, ended).await.is_ok() {
            return Ok(());
        }
        let tasks = *self.places.watch().borrow();
        Err(StillRunning { tasks })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.draining.send_replace(true);
    }
}

/// Tasks were still running when the drain of a runner timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillRunning {
    /// The number of tasks.
    pub tasks: usize,
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks were still running", self.tasks)
    }
}

impl std::error::Error for StillRunning {}

/// The loop that takes tasks.
struct Takes<D: Database> {
    tasks: Tasks<D>,
    internal: Internal,
    places: Places,
    queues: Option<Arc<[String]>>,
    poll: Duration,
    draining: watch::Receiver<bool>,
}

impl<D: Database> Takes<D> {
    async fn run(mut self) {
        let mut added = self.tasks.shared.added.subscribe();
        let mut freed = self.places.watch();
        let mut failures = 0;
        // Whether tasks are likely to be due, so that looking before taking is not worth a read.
        let mut likely = false;
        while !*self.draining.borrow() {
            added.mark_unchanged();
            freed.mark_unchanged();
            let poll = self.poll.mul_f64(0.8 + 0.2 * fastrand::f64());
            let mut until = Instant::now() + poll;
            let free = self.places.free();
            if free > 0 {
                match self.take(free, likely).await {
                    Ok(Took::All) => {
                        failures = 0;
                        likely = true;
                        continue;
                    }
                    Ok(Took::Some(next)) => {
                        failures = 0;
                        likely = false;
                        if let Some(next) = next {
                            until = until.min(Instant::now() + next);
                        }
                    }
                    Err(error) => {
                        failures += 1;
                        log_untaken(&error, failures);
                        // At most 8 s.
                        let pause = Duration::from_millis(250) * (1 << failures.min(5));
                        let pause = backoff::jittered(pause);
                        tokio::select! {
                            _ = self.draining.changed() => {}
                            () = sleep(pause) => {}
                        }
                        continue;
                    }
                }
            }
            tokio::select! {
                _ = self.draining.changed() => {}
                _ = added.changed() => likely = true,
                _ = freed.changed() => {}
                () = tokio::time::sleep_until(until) => likely = false,
            }
        }
    }

    /// Takes up to `free` tasks and starts their runs.
    async fn take(&self, free: usize, likely: bool) -> Result<Took, Error> {
        let looked = if likely {
            Looked::new(true, None)
        } else {
            self.look(free).await?
        };
        if !looked.is_due {
            return Ok(Took::Some(looked.next));
        }
        let tasks = self.take_now(free).await?;
        let took = tasks.len();
        for task in tasks {
            self.start(task);
        }
        if took == free {
            return Ok(Took::All);
        }
        // Nothing more is due now, so the next look says when something will be.
        let looked = self.look(free).await?;
        Ok(Took::Some(looked.next))
    }

    async fn look(&self, free: usize) -> Result<Looked, Error> {
        let wants = self.wants(free);
        self.tasks
            .shared
            .connections
            .read(move |table, connection| table.look(connection, &wants.wanted()))
            .await
    }

    async fn take_now(&self, free: usize) -> Result<Vec<TakenTask>, Error> {
        let wants = self.wants(free);
        self.tasks
            .shared
            .connections
            .write(move |table, connection| table.take(connection, &wants.wanted()))
            .await
    }

    fn wants(&self, most: usize) -> Wants<D> {
        Wants {
            tasks: self.tasks.clone(),
            queues: self.queues.clone(),
            most,
        }
    }

    fn start(&self, task: TakenTask) {
        let book = &self.tasks.shared.book;
        book.taken.add(1);
        book.waits.record(task.waited);
        let place = self.places.take();
        let span = tracing::info_span!(
            "task",
            id = %task.held.id,
            kind = task.kind,
            attempt = task.attempt
        );
        let run = execute(
            self.tasks.clone(),
            self.internal.clone(),
            task,
            place,
            self.draining.clone(),
        );
        tokio::spawn(run.instrument(span));
    }
}

enum Took {
    /// As many as there were places.
    All,
    /// Fewer, and when the next one will be due.
    Some(Option<Duration>),
}

/// What a runner wants, for code that runs in a worker.
struct Wants<D: Database> {
    tasks: Tasks<D>,
    queues: Option<Arc<[String]>>,
    most: usize,
}

impl<D: Database> Wants<D> {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            kinds: &self.tasks.shared.names,
            queues: self.queues.as_deref(),
            most: self.most,
            hold: self.tasks.hold(),
        }
    }
}

impl<D: Database> Clone for Wants<D> {
    fn clone(&self) -> Self {
        Self {
            tasks: self.tasks.clone(),
            queues: self.queues.clone(),
            most: self.most,
        }
    }
}

/// Ends the holds of processes that have ended, from time to time.
async fn rescue<D: Database>(tasks: &Tasks<D>, mut draining: watch::Receiver<bool>) {
    while !*draining.borrow() {
        match rescue_now(tasks).await {
            Ok(()) => {}
            Err(error) => {
                let error = ErrorChain::new(&error);
                tracing::debug!(%error, "tasks of ended processes could not be rescued");
            }
        }
        tokio::select! {
            _ = draining.changed() => {}
            () = sleep(backoff::jittered(RESCUE)) => {}
        }
    }
}

async fn rescue_now<D: Database>(tasks: &Tasks<D>) -> Result<(), Error> {
    let connections = &tasks.shared.connections;
    if !connections.read(TaskTable::needs_rescue).await? {
        return Ok(());
    }
    let rescued = connections.write(TaskTable::rescue).await?;
    let book = &tasks.shared.book;
    for RescuedTask {
        id,
        kind,
        attempt,
        is_dead,
    } in &rescued
    {
        book.rescued.add(1);
        if *is_dead {
            book.dead.add(1);
            tracing::error!(%id, kind, attempt, "a task ended with its process for the last time");
        } else {
            tracing::warn!(%id, kind, attempt, "a task's process or its hold has ended");
        }
    }
    if !rescued.is_empty() {
        tasks.shared.added.send_replace(());
        tasks.shared.ended.send_replace(());
    }
    Ok(())
}

fn log_untaken(error: &Error, failures: u32) {
    if error.is(CLOSED) {
        return;
    }
    let chain = ErrorChain::new(error);
    // The next ones are the same, most likely.
    if failures == 1 {
        tracing::warn!(error = %chain, "no tasks can be taken");
    } else {
        tracing::debug!(error = %chain, failures, "no tasks can be taken");
    }
}
