//! The publisher that runs tasks, and acknowledges each in the transaction of its run.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use euryale_core::body::{DeferredHandle, WriterHandle};
use euryale_core::error::{ErrorChain, OrAbort, PanicMessage, SUSPENDED};
use euryale_core::{Abort, Body, Database, Error, Publisher, Request, Response, Transaction};
use http::StatusCode;

use crate::codes::{BAD_PAYLOAD, FENCED, UNFINISHED_ANSWER};
use crate::kind::Ended;
use crate::run::{Acknowledged, Run};
use crate::table::{Done, StepDone};
use crate::tasks::Tasks;
use crate::verdict::{Again, Verdict};

/// Publishes the runs of tasks, and passes all other requests to a publisher; made by
/// [`Tasks::around`].
///
/// A run that is answered 2xx gets one more before-commit hook, after its own: it deletes the row
/// of the task, if this run still holds it. So the effect of a task and its end are one commit. Any
/// other answer aborts.
pub struct RunTasks<D: Database, P> {
    tasks: Tasks<D>,
    inner: P,
}

impl<D: Database> Tasks<D> {
    /// Wraps the publisher of a stack, so that the stack also publishes the runs of tasks. All
    /// other requests go to `publisher`, and so do the runs of kinds that are
    /// [requests](crate::TasksBuilder::post).
    pub fn around<P: Publisher<D>>(&self, publisher: P) -> RunTasks<D, P> {
        RunTasks {
            tasks: self.clone(),
            inner: publisher,
        }
    }

    /// Returns a publisher that only runs tasks, for a stack that serves nothing else. It answers
    /// other requests with 404.
    pub fn publisher(&self) -> RunTasks<D, impl Publisher<D>> {
        self.around(
            |_: &Request, _: &mut Transaction<'_, D>| -> Result<Response, Abort> {
                Err(Abort::status(StatusCode::NOT_FOUND))
            },
        )
    }
}

impl<D: Database, P: Publisher<D>> RunTasks<D, P> {
    /// Runs a task, and returns what is to be committed with it.
    fn run(
        &self,
        run: &Run,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<(Ended, Response), Abort> {
        let kind = self.tasks.kind(run.kind());
        let called = kind.and_then(|kind| kind.call(&self.tasks, request, run, transaction));
        if let Some(ended) = called {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok((ended?, response));
        }
        let mut response = self.inner.publish(request, transaction)?;
        if !response.status().is_success() {
            return Err(Abort::response(response));
        }
        Body::publish_handle(&mut response, &self.tasks.shared.ledger);
        let extensions = response.extensions();
        if extensions.get::<DeferredHandle>().is_some()
            || extensions.get::<WriterHandle>().is_some()
        {
            return Err(Abort::error(Error::new(UNFINISHED_ANSWER)));
        }
        Ok((Ended::Complete(None), response))
    }

    /// Acknowledges the run in its own commit.
    fn acknowledge(&self, run: &Run, ended: Ended, transaction: &mut Transaction<'_, D>) {
        transaction.before_commit({
            let tasks = self.tasks.clone();
            let run = run.clone();
            let token = fastrand::i64(1..);
            move |transaction| {
                let what = match &ended {
                    Ended::Complete(outcome) => {
                        Done::Complete(outcome.as_deref().unwrap_or("null"))
                    }
                    Ended::Step(cursor) => Done::Step(StepDone::new(cursor, token, tasks.hold())),
                };
                let connection = transaction.connection()?;
                let table = &tasks.shared.table;
                if !table
                    .acknowledge(connection, run.held(), &what)
                    .or_abort()?
                {
                    return Err(Abort::error(Error::new(FENCED)));
                }
                let what = match ended {
                    Ended::Complete(_) => Acknowledged::Complete,
                    Ended::Step(cursor) => Acknowledged::Step { cursor, token },
                };
                transaction.after_commit(move || {
                    run.acknowledge(what);
                    tasks.shared.ended.send_replace(());
                });
                Ok(())
            }
        });
    }
}

impl<D: Database, P: Publisher<D>> Publisher<D> for RunTasks<D, P> {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<Response, Abort> {
        let Some(run) = Run::of(request.extensions()) else {
            return self.inner.publish(request, transaction);
        };
        run.begin();
        // A task has no client, so its answer cannot leave before its commit.
        drop(transaction.take_early());
        transaction.writable()?;
        // The gates are asked before the first hook. If they abort the transaction, the run waits
        // for promises for which its publisher has not.
        let passed_gates = Arc::new(AtomicBool::new(false));
        transaction.before_commit({
            let passed_gates = Arc::clone(&passed_gates);
            move |_| {
                passed_gates.store(true, Ordering::Relaxed);
                Ok(())
            }
        });
        match PanicMessage::catch(|| self.run(run, request, transaction)) {
            Ok(Ok((ended, response))) => {
                self.acknowledge(run, ended, transaction);
                let run = run.clone();
                transaction.after_abort(move || {
                    if !passed_gates.load(Ordering::Relaxed) {
                        run.suspend();
                    }
                });
                Ok(response)
            }
            Ok(Err(abort)) => Err(judged(run, abort)),
            Err(panic) => {
                run.judge(Verdict::new(panic.to_string(), Again::Later));
                // The transaction deals with it as with any panic of a publisher.
                resume_unwind(Box::new(panic.text().to_owned()))
            }
        }
    }

    fn answers_head(&self) -> bool {
        self.inner.answers_head()
    }
}

/// Records why a run was aborted, and returns the same abort.
fn judged(run: &Run, abort: Abort) -> Abort {
    let mut error = Error::from(abort);
    if error.is(SUSPENDED) {
        run.suspend();
        return match error.take_pending() {
            Some(pending) => Abort::from(pending),
            None => Abort::error(error),
        };
    }
    if let Some(response) = error.take_response() {
        run.judge(Verdict::of_status(response.status(), response.headers()));
        return Abort::response(response);
    }
    let again = match error.code() {
        BAD_PAYLOAD | UNFINISHED_ANSWER => Again::Never,
        _ => Again::Later,
    };
    run.judge(Verdict::new(ErrorChain::new(&error).to_string(), again));
    Abort::error(error)
}

impl<D: Database, P: fmt::Debug> fmt::Debug for RunTasks<D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunTasks")
            .field("tasks", &self.tasks)
            .field("inner", &self.inner)
            .finish()
    }
}
