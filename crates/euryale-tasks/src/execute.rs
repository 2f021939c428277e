//! One run of a task: from the moment at which it is taken to the end of its hold.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::error::{CLOSED, Code, ErrorChain};
use euryale_core::request::Internal;
use euryale_core::{Database, Error, Response};
use http::{Extensions, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::backoff;
use crate::place::Place;
use crate::run::{Acknowledged, Run};
use crate::table::{Failure, Next, TakenTask};
use crate::tasks::Tasks;
use crate::verdict::{Again, Verdict};

/// How long a run that was refused because the program is busy waits in the table.
const BUSY: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to write down how a run has ended.
const PATIENCE: Duration = Duration::from_secs(8);

/// How a run has ended.
enum End {
    Acknowledged(Acknowledged),
    Failed(Verdict),
    /// It has not begun, and waits in the table for this time.
    NotBegun(Duration),
}

/// Runs a task, and each of its further steps, and ends its hold.
pub(crate) async fn execute<D: Database>(
    tasks: Tasks<D>,
    internal: Internal,
    mut task: TakenTask,
    place: Place,
    mut draining: watch::Receiver<bool>,
) {
    let place = Arc::new(place);
    let book = Arc::clone(&tasks.shared.book);
    loop {
        let began = Instant::now();
        let run = Run::new(task.clone(), tasks.shared.deadline, Arc::clone(&place));
        let end = run_once(&tasks, &internal, &run, &mut draining).await;
        book.runs.record(began.elapsed());
        let failure = match end {
            End::Acknowledged(Acknowledged::Complete) => {
                book.done.add(1);
                return;
            }
            End::Acknowledged(Acknowledged::Step { cursor, token }) => {
                book.done.add(1);
                task.cursor = Some(cursor);
                task.held.token = token;
                task.attempt = 1;
                if !*draining.borrow() {
                    continue;
                }
                Failure::new(None, Next::GiveBack(Duration::ZERO))
            }
            End::NotBegun(pause) => Failure::new(None, Next::GiveBack(pause)),
            End::Failed(ref verdict) => {
                let next = verdict.next(task.attempt, task.attempts);
                Failure::new(Some(&verdict.error), next)
            }
        };
        settle(&tasks, &run, &task, &failure).await;
        return;
    }
}

/// Sends one run into the stack and waits for its end.
async fn run_once<D: Database>(
    tasks: &Tasks<D>,
    internal: &Internal,
    run: &Run,
    draining: &mut watch::Receiver<bool>,
) -> End {
    // Only tasks of registered kinds are taken.
    let Some(kind) = tasks.kind(run.kind()) else {
        return End::NotBegun(BUSY);
    };
    if *draining.borrow() {
        return End::NotBegun(Duration::ZERO);
    }
    let request = match kind.make_request(run) {
        Ok(request) => request,
        Err(error) => {
            let error = ErrorChain::new(&*error).to_string();
            return End::Failed(Verdict::new(error, Again::Never));
        }
    };
    let extensions = Extensions::new();
    let answer = timeout(run.deadline(), internal.request(request, &extensions));
    tokio::pin!(answer);
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer,
            // A run that waits in the pool's queue is dropped there, and never begins.
            _ = draining.wait_for(|draining| *draining), if !*draining.borrow() => {
                if !run.has_begun() {
                    return End::NotBegun(Duration::ZERO);
                }
            }
        }
    };
    match answer {
        Ok(answer) => ended(run, answer),
        Err(_) if !run.has_begun() => End::NotBegun(backoff::jittered(BUSY)),
        // The worker may still commit. The hold ends first, or its acknowledgement does.
        Err(_) => match run.acknowledged() {
            Some(what) => End::Acknowledged(what),
            None => {
                let error = format!("the run was not complete after {:?}", run.deadline());
                End::Failed(Verdict::new(error, Again::Later))
            }
        },
    }
}

/// Returns how a run with this answer has ended.
fn ended(run: &Run, answer: Result<Response, Error>) -> End {
    if let Some(what) = run.acknowledged() {
        return End::Acknowledged(what);
    }
    let verdict = match answer {
        Ok(response) => {
            let was_refused = response.status() == StatusCode::SERVICE_UNAVAILABLE;
            if was_refused && !run.has_begun() {
                return End::NotBegun(backoff::jittered(BUSY));
            }
            let mut verdict = Verdict::of_status(response.status(), response.headers());
            if response.status().is_success() {
                let error = "the run was answered, but its transaction was not committed";
                verdict = Verdict::new(error, Again::Later);
            }
            if let Some(code) = response.extensions().get::<Code>() {
                verdict.error = format!("{}: {code}", verdict.error);
            }
            verdict
        }
        Err(error) => {
            if !run.has_begun() && error.class().status() == StatusCode::SERVICE_UNAVAILABLE {
                return End::NotBegun(backoff::jittered(BUSY));
            }
            Verdict::new(ErrorChain::new(&error).to_string(), Again::Later)
        }
    };
    // What the publisher itself has said is more precise.
    End::Failed(run.verdict().unwrap_or(verdict))
}

/// Writes down how a run has ended without an acknowledgement, and tries again while that fails. If
/// the program ends before, the hold ends with it, and after the hold another process has the task.
async fn settle<D: Database>(tasks: &Tasks<D>, run: &Run, task: &TakenTask, failure: &Failure<'_>) {
    let held = task.held;
    let error: Option<Arc<str>> = failure.error.map(Arc::from);
    let next = failure.next;
    let mut pause = Duration::from_millis(250);
    let until = Instant::now() + tasks.hold();
    let was_held = loop {
        let error = error.clone();
        let written = tasks.shared.connections.write(move |table, connection| {
            table.fail(connection, held, &Failure::new(error.as_deref(), next))
        });
        match written.await {
            Ok(was_held) => break was_held,
            Err(refused) if refused.is(CLOSED) || Instant::now() >= until => {
                log_unwritten(task, &refused);
                return;
            }
            Err(refused) => {
                log_unwritten(task, &refused);
                sleep(backoff::jittered(pause)).await;
                pause = (pause * 2).min(PATIENCE);
            }
        }
    };
    let book = &tasks.shared.book;
    let id = held.id;
    let kind = task.kind.as_str();
    let attempt = task.attempt;
    if !was_held && run.acknowledged().is_some() {
        // It was committed in the last moment.
        book.done.add(1);
        return;
    }
    if !was_held {
        book.fenced.add(1);
        tracing::warn!(%id, kind, attempt, "a task is no longer held by the run that ended");
        return;
    }
    match next {
        Next::GiveBack(_) => {
            book.given_back.add(1);
            tracing::debug!(%id, kind, attempt, "a task was given back");
        }
        Next::Retry(after) => {
            book.failed.add(1);
            let error = error.as_deref();
            tracing::warn!(%id, kind, attempt, ?after, error, "a task failed and is tried again");
        }
        Next::Dead => {
            book.dead.add(1);
            let error = error.as_deref();
            tracing::error!(%id, kind, attempt, error, "a task failed for the last time");
        }
    }
    if next == Next::Dead {
        tasks.shared.ended.send_replace(());
    }
    // It may be due at once.
    tasks.shared.added.send_replace(());
}

fn log_unwritten(task: &TakenTask, error: &Error) {
    let id = task.held.id;
    let kind = task.kind.as_str();
    let error = ErrorChain::new(error);
    tracing::warn!(%id, kind, %error, "the end of a task's run cannot be written yet");
}
