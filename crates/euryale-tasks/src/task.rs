//! A task as its function sees it.

use std::fmt;

use euryale_core::{Database, Request};

use crate::run::Run;
use crate::tasks::Tasks;

/// A task that runs: its payload, and the request by which its run entered the stack.
pub struct Task<'a, D: Database, P> {
    /// The payload.
    pub payload: P,
    tasks: &'a Tasks<D>,
    request: &'a Request,
    run: &'a Run,
}

impl<'a, D: Database, P> Task<'a, D, P> {
    pub(crate) fn new(payload: P, tasks: &'a Tasks<D>, request: &'a Request, run: &'a Run) -> Self {
        Self {
            payload,
            tasks,
            request,
            run,
        }
    }

    /// Returns the run: the id of the task, the number of the attempt.
    pub fn run(&self) -> &'a Run {
        self.run
    }

    /// Returns the request of the run. A function asks it for promises, for example: the task is
    /// then suspended, and runs again once they are resolved.
    pub fn request(&self) -> &'a Request {
        self.request
    }

    /// Returns the tasks, so that a function can add further ones.
    pub fn tasks(&self) -> &'a Tasks<D> {
        self.tasks
    }
}

impl<D: Database, P> fmt::Debug for Task<'_, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// The result of one step of a long task; see
/// [`TasksBuilder::in_steps`](crate::TasksBuilder::in_steps).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<C> {
    /// There is more to do, from this cursor on.
    Next(C),
    /// This was the last step.
    Last,
}
