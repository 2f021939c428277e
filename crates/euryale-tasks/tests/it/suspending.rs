//! Tasks that wait for promises.

use std::convert::Infallible;
use std::time::Duration;

use euryale::promise::PromisesExt;
use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, Task, TasksBuilder};
use euryale_test::{AsyncGate, eventually};

use crate::harness::{Note, Site, leave};

/// Waits for a promise. Tasks whose name begins with `g` do not call `ready`, so the gate before
/// the commit suspends them.
fn waiting(gate: &AsyncGate) -> impl FnOnce(TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> + use<> {
    let gate = gate.clone();
    move |tasks| {
        tasks.function(move |task: &Task<'_, Sqlite, Note>, transaction| {
            leave(transaction, &task.payload.0)?;
            let gate = gate.clone();
            let promise = task.request().promises().ask("answer", || async move {
                gate.wait().await;
                Ok::<_, Infallible>(42)
            });
            if !task.payload.0.starts_with('g') {
                promise.ready()??;
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn suspended_task_gives_its_place_back_and_ends_in_its_last_pass() {
    let gate = AsyncGate::new();
    let site = Site::new(waiting(&gate));
    let runner = site.runner().share(1).start();
    for name in ["a", "b", "gated"] {
        site.note(name, Enqueue::new()).await;
    }
    eventually("all three wait", || site.book().suspended.get() == 3).await;
    assert_eq!((site.book().running.get(), site.effects().len()), (0, 0));
    gate.let_through(9);
    site.all_done().await;
    let mut effects = site.effects();
    effects.sort_unstable();
    assert_eq!(effects, ["a", "b", "gated"]);
    assert_eq!(site.book().done.get(), 3);
    site.end(runner).await;
}

#[tokio::test]
async fn number_of_suspended_tasks_is_bounded() {
    let gate = AsyncGate::new();
    let site = Site::new(waiting(&gate));
    let runner = site.runner().share(1).suspended(1).start();
    for name in ["a", "b", "c"] {
        site.note(name, Enqueue::new()).await;
    }
    let taken = || site.book().taken.get();
    eventually("one is suspended, one keeps its place", || {
        taken() == 2 && site.pool.status().running == 0
    })
    .await;
    assert_eq!(
        (site.book().suspended.get(), site.book().running.get()),
        (1, 1)
    );
    gate.let_through(9);
    site.all_done().await;
    site.end(runner).await;
}

#[tokio::test]
async fn drain_waits_for_a_suspended_task() {
    let gate = AsyncGate::new();
    let site = Site::new(waiting(&gate));
    let runner = site.runner().start();
    site.note("a", Enqueue::new()).await;
    eventually("it waits", || site.book().suspended.get() == 1).await;
    let drained = tokio::spawn(runner.drain(Duration::from_secs(10)));
    tokio::task::yield_now().await;
    assert!(!drained.is_finished());
    gate.let_through(9);
    drained.await.unwrap().unwrap();
    assert_eq!((site.rows(), site.effects().len()), (0, 1));
    let runner = site.runner().start();
    site.end(runner).await;
}
