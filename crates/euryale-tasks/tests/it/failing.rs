//! Runs that fail, and runs whose task another process has.

use std::time::Duration;

use euryale::Abort;
use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, Task, TasksBuilder};
use euryale_test::{Gate, eventually};
use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::harness::{Note, Site, gated, leave, text};

/// Fails as its payload says, after an effect that must not stay.
fn failing(tasks: TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> {
    tasks.function(|task: &Task<'_, Sqlite, Note>, transaction| {
        leave(transaction, &task.payload.0)?;
        match task.payload.0.as_str() {
            "error" => {
                transaction
                    .connection()?
                    .execute("INSERT INTO nowhere VALUES (1)", [])?;
            }
            "panic" => panic!("no paper"),
            "doom" => transaction.doom(),
            "busy" => {
                let mut response = text("");
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                response.headers_mut().insert(RETRY_AFTER, 900.into());
                return Err(Abort::response(response));
            }
            _ => {}
        }
        Ok(())
    })
}

#[tokio::test]
async fn failed_task_is_delayed_with_its_error_and_dead_after_its_attempts() {
    let site = Site::new(failing);
    let runner = site.run();
    let id = site.note("error", Enqueue::new().attempts(2)).await;
    site.state(id, 1).await;
    assert_eq!(site.column::<i64>(id, "attempt"), Some(1));
    let error: String = site.column(id, "error").unwrap();
    assert!(error.contains("no such table: nowhere"), "{error}");
    site.hurry(id);
    site.state(id, 3).await;
    assert_eq!(site.column::<i64>(id, "attempt"), Some(2));
    assert_eq!(site.effects(), [""; 0]);
    site.all_counted().await;
    assert_eq!((site.book().failed.get(), site.book().dead.get()), (1, 1));
    site.end(runner).await;
}

#[tokio::test]
async fn panics_and_dooms_are_failures() {
    let site = Site::new(failing);
    let runner = site.run();
    for (name, error) in [
        ("panic", "panicked: no paper"),
        ("doom", "was not committed"),
    ] {
        let id = site.note(name, Enqueue::new().attempts(1)).await;
        site.state(id, 3).await;
        let found: String = site.column(id, "error").unwrap();
        assert!(found.contains(error), "{name}: {found}");
    }
    assert_eq!(site.effects(), [""; 0]);
    site.end(runner).await;
}

#[tokio::test]
async fn retry_after_of_the_run_delays_the_next_attempt() {
    let site = Site::new(failing);
    let runner = site.run();
    let before = now();
    let id = site.note("busy", Enqueue::new()).await;
    site.state(id, 1).await;
    let at: i64 = site.column(id, "at").unwrap();
    assert!(
        (900_000..1_000_000).contains(&(at - before)),
        "{}",
        at - before
    );
    site.end(runner).await;
}

#[tokio::test]
async fn payload_that_does_not_parse_is_dead_at_once() {
    let site = Site::new(failing);
    let id = site.note("x", Enqueue::new()).await;
    let change = "UPDATE euryale_task SET payload = '{\"of\": \"another version\"}'";
    site.sql().execute(change, []).unwrap();
    let runner = site.run();
    site.state(id, 3).await;
    assert_eq!(site.column::<i64>(id, "attempt"), Some(1));
    let error: String = site.column(id, "error").unwrap();
    assert!(error.contains("invalid type: map"), "{error}");
    site.end(runner).await;
}

#[tokio::test]
async fn poison_tasks_delay_no_other() {
    let site = Site::new(failing);
    for _ in 0..20 {
        site.note("panic", Enqueue::new().attempts(1).priority(9))
            .await;
    }
    site.note("good", Enqueue::new()).await;
    let runner = site.run();
    eventually("the good one is done", || site.effects() == ["good"]).await;
    site.all_counted().await;
    assert_eq!(
        (site.book().dead.get(), site.book().running.peak()),
        (20, 2)
    );
    site.end(runner).await;
}

#[tokio::test]
async fn run_that_is_too_slow_is_tried_again_and_its_own_commit_is_refused() {
    let held = Gate::new();
    let site = Site::new(|tasks| gated(&held)(tasks.deadline(Duration::from_millis(100))));
    let runner = site.runner().share(1).start();
    let id = site.note("slow", Enqueue::new().attempts(1)).await;
    site.state(id, 3).await;
    let error: String = site.column(id, "error").unwrap();
    assert!(error.contains("not complete after 100ms"), "{error}");
    // Its worker still has it, so its place is not free.
    assert_eq!(held.waiting(), 1);
    let second = site.note("second", Enqueue::new().attempts(1)).await;
    assert_eq!(site.book().running.get(), 1);
    held.open();
    site.ended(second).await;
    assert_eq!(site.effects(), ["second"]);
    site.end(runner).await;
}

#[tokio::test]
async fn run_whose_task_was_taken_by_another_process_commits_nothing() {
    let held = Gate::new();
    let site = Site::new(gated(&held));
    let runner = site.run();
    let id = site.note("a", Enqueue::new()).await;
    eventually("it runs", || held.waiting() == 1).await;
    let token: i64 = site.column(id, "token").unwrap();
    site.sql()
        .execute("UPDATE euryale_task SET token = ?1", [token ^ 1])
        .unwrap();
    held.open();
    eventually("it was fenced", || site.book().fenced.get() == 1).await;
    assert_eq!(site.effects(), [""; 0]);
    assert_eq!(site.column::<i64>(id, "state"), Some(2));
    site.end(runner).await;
}

fn now() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn run_that_has_not_begun_by_its_deadline_does_not_count() {
    let held = Gate::new();
    let site = Site::new(|tasks| gated(&held)(tasks.deadline(Duration::from_millis(50))));
    for name in ["a", "b", "c"] {
        site.note(name, Enqueue::new().attempts(1)).await;
    }
    // More places than the lane has connections, so one of the runs waits in the pool's queue.
    let runner = site.runner().share(3).start();
    eventually("two run, and one waits", || held.waiting() == 2).await;
    let tasks_left = "SELECT count(*) FROM euryale_task WHERE state < 3";
    let left = || site.sql().query_row(tasks_left, [], |row| row.get(0));
    // All three wait to write down how they have ended.
    eventually("the deadline is over", || site.pool.status().queued == 3).await;
    held.open();
    eventually("one was given back", || site.book().given_back.get() == 1).await;
    assert_eq!(left(), Ok(1_i64));
    let id: i64 = site
        .sql()
        .query_row("SELECT id FROM euryale_task WHERE state < 3", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(site.column::<i64>(id, "attempt"), Some(0));
    site.hurry(id);
    site.ended(id).await;
    site.end(runner).await;
}
