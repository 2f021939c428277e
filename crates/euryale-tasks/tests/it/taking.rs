//! Which tasks a process takes, when, and how many.

use std::time::Duration;

use euryale_tasks::{Enqueue, Payload};
use euryale_test::{Gate, eventually};
use serde::{Deserialize, Serialize};

use crate::harness::{Site, gated};

fn open_gate() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

#[tokio::test]
async fn tasks_are_taken_by_priority_and_then_in_order() {
    let site = Site::new(gated(&open_gate()));
    for (name, priority) in [("c", 0), ("d", 0), ("a", 5), ("e", -1), ("b", 5)] {
        site.note(name, Enqueue::new().priority(priority)).await;
    }
    let runner = site.runner().share(1).start();
    site.all_done().await;
    assert_eq!(site.effects(), ["a", "b", "c", "d", "e"]);
    site.end(runner).await;
}

#[tokio::test]
async fn no_more_tasks_are_held_than_there_are_places() {
    let gate = Gate::new();
    let site = Site::new(gated(&gate));
    for _ in 0..5 {
        site.note("x", Enqueue::new()).await;
    }
    let runner = site.run();
    eventually("two run", || gate.waiting() == 2).await;
    let held = "SELECT count(*) FROM euryale_task WHERE state = 2";
    assert_eq!(site.sql().query_row(held, [], |row| row.get(0)), Ok(2));
    gate.open();
    site.all_done().await;
    assert_eq!(site.book().running.peak(), 2);
    site.end(runner).await;
}

#[tokio::test]
async fn delayed_task_runs_when_it_is_due_and_not_at_the_next_poll() {
    let site = Site::new(gated(&open_gate()));
    let runner = site.runner().poll(Duration::from_secs(3600)).start();
    site.note("now", Enqueue::new()).await;
    site.note("soon", Enqueue::new().after(Duration::from_millis(200)))
        .await;
    let tomorrow = std::time::SystemTime::now() + Duration::from_secs(86_400);
    let id = site.note("tomorrow", Enqueue::new().at(tomorrow)).await;
    eventually("two are done", || site.effects() == ["now", "soon"]).await;
    assert_eq!(site.column::<i64>(id, "state"), Some(1));
    site.end(runner).await;
}

#[tokio::test]
async fn limit_counts_the_tasks_that_run_with_its_key() {
    let gate = Gate::new();
    let site = Site::new(gated(&gate));
    for name in ["a1", "a2"] {
        site.note(name, Enqueue::new().limit("a", 1)).await;
    }
    site.note("b", Enqueue::new().limit("b", 1)).await;
    let runner = site.run();
    eventually("one of each key runs", || gate.waiting() == 2).await;
    gate.let_through(1);
    eventually("another one runs", || {
        gate.passed() == 1 && gate.waiting() >= 1
    })
    .await;
    gate.open();
    site.all_done().await;
    let effects = site.effects();
    let place = |name: &str| effects.iter().position(|effect| effect == name);
    assert!(place("a1") < place("a2"), "{effects:?}");
    site.end(runner).await;
}

#[tokio::test]
async fn runner_takes_only_its_queues_and_none_that_is_paused() {
    let site = Site::new(gated(&open_gate()));
    let pause = "INSERT INTO euryale_task_paused VALUES ('paused')";
    site.sql().execute(pause, []).unwrap();
    for queue in ["paused", "other", "mail"] {
        site.note(queue, Enqueue::new().queue(queue)).await;
    }
    let short = Duration::from_millis(20);
    let runner = site.runner().queues(["mail", "paused"]).poll(short).start();
    eventually("that of its queue is done", || site.rows() == 2).await;
    assert_eq!(site.effects(), ["mail"]);
    site.sql()
        .execute("DELETE FROM euryale_task_paused", [])
        .unwrap();
    eventually("that of the other queue is left", || site.rows() == 1).await;
    assert_eq!(site.effects(), ["mail", "paused"]);
    site.end(runner).await;
}

/// A kind that this program does not run.
#[derive(Clone, Serialize, Deserialize)]
struct Newer;

impl Payload for Newer {
    const KIND: &'static str = "newer";
}

#[tokio::test]
async fn unknown_kinds_are_left_to_newer_processes() {
    let site = Site::new(gated(&open_gate()));
    let id = site.add(Newer, Enqueue::new().priority(9)).await;
    let runner = site.run();
    site.note("known", Enqueue::new()).await;
    eventually("the known one is done", || site.rows() == 1).await;
    assert_eq!(site.column::<i64>(id, "state"), Some(0));
    assert_eq!(site.column::<i64>(id, "attempt"), Some(0));
    site.end(runner).await;
}

#[tokio::test]
async fn drain_gives_back_a_task_whose_run_has_not_begun() {
    let gate = Gate::new();
    let site = Site::new(gated(&gate));
    // More places than the lane has connections, so one of the runs waits in the pool's queue.
    for name in ["a", "b", "c"] {
        site.note(name, Enqueue::new()).await;
    }
    let runner = site.runner().share(3).start();
    eventually("two run, and one waits", || {
        gate.waiting() == 2 && site.book().taken.get() == 3
    })
    .await;
    let drained = tokio::spawn(runner.drain(Duration::from_secs(10)));
    // The run leaves the queue, and the job that gives the task back takes its place.
    eventually("the drain has begun", || site.pool.status().queued == 1).await;
    gate.open();
    drained.await.unwrap().unwrap();
    assert_eq!((site.effects().len(), site.rows()), (2, 1));
    assert_eq!(site.book().given_back.get(), 1);
    let left: (i64, i64) = site
        .sql()
        .query_row("SELECT state, attempt FROM euryale_task", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(left, (0, 0));
    let runner = site.run();
    site.all_done().await;
    site.end(runner).await;
}
