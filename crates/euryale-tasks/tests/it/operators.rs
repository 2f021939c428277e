//! What operators see and order.

use std::time::Duration;

use euryale::Abort;
use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, Retry, Task, TaskId, TaskState, TasksBuilder};
use euryale_test::{Gate, eventually};
use http::StatusCode;

use crate::harness::{Note, Site, gated, leave};

/// Tasks with the name "broken" fail.
fn kinds(tasks: TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> {
    tasks.function(|task: &Task<'_, Sqlite, Note>, transaction| {
        if task.payload.0 == "broken" {
            return Err(Abort::status(StatusCode::GONE));
        }
        leave(transaction, &task.payload.0)
    })
}

async fn states(site: &Site) -> Vec<(String, TaskState, u64, bool)> {
    let counts = site.tasks.counts().await.unwrap();
    let counts = counts.into_iter();
    counts
        .map(|count| (count.queue, count.state, count.tasks, count.is_paused))
        .collect()
}

#[tokio::test]
async fn paused_queue_is_counted_and_runs_once_it_is_resumed() {
    let site = Site::new(kinds);
    let tasks = site.tasks.clone();
    assert_eq!(tasks.pause("mail").await.ok(), Some(true));
    assert_eq!(tasks.pause("mail").await.ok(), Some(false));
    let runner = site.runner().poll(Duration::from_secs(3600)).start();
    site.note("a", Enqueue::new().queue("mail")).await;
    site.note(
        "b",
        Enqueue::new().queue("mail").after(Duration::from_secs(60)),
    )
    .await;
    site.note("c", Enqueue::new()).await;
    eventually("the other queue is done", || site.effects() == ["c"]).await;
    let mail = |state| ("mail".to_owned(), state, 1, true);
    assert_eq!(
        states(&site).await,
        [mail(TaskState::Due), mail(TaskState::Delayed)]
    );
    assert_eq!(tasks.resume("mail").await.ok(), Some(true));
    assert_eq!(tasks.resume("mail").await.ok(), Some(false));
    eventually("it is resumed", || site.effects() == ["c", "a"]).await;
    site.end(runner).await;
}

#[tokio::test]
async fn dead_task_is_listed_with_its_error_and_retried() {
    let site = Site::new(kinds);
    let tasks = site.tasks.clone();
    let runner = site.run();
    let id = TaskId::new(site.note("broken", Enqueue::new().key("k")).await);
    site.state(id.get(), 3).await;
    let dead = tasks.list(TaskState::Dead, 9).await.unwrap();
    assert_eq!(
        (dead.len(), dead[0].id, dead[0].key.as_deref()),
        (1, id, Some("k"))
    );
    assert!(
        dead[0]
            .error
            .as_deref()
            .is_some_and(|error| error.contains("410 Gone"))
    );
    assert_eq!(tasks.list(TaskState::Dead, 0).await.unwrap(), []);
    // Another task with the same key waits, and both cannot.
    let later = Enqueue::new().key("k").after(Duration::from_secs(60));
    let other = TaskId::new(site.note("other", later).await);
    assert_eq!(tasks.retry(id).await.unwrap(), Retry::KeyTaken(other));
    assert_eq!(tasks.retry(other).await.unwrap(), Retry::Due);
    site.ended(other.get()).await;
    let mend = "UPDATE euryale_task SET payload = '\"mended\"'";
    site.sql().execute(mend, []).unwrap();
    assert_eq!(tasks.retry(id).await.unwrap(), Retry::Due);
    site.all_done().await;
    assert_eq!(site.effects(), ["other", "mended"]);
    assert_eq!(tasks.retry(id).await.unwrap(), Retry::NotFound);
    assert_eq!(tasks.show(id).await.unwrap(), None);
    site.end(runner).await;
}

#[tokio::test]
async fn cancelled_task_does_not_commit_even_while_it_runs() {
    let held = Gate::new();
    let site = Site::new(gated(&held));
    let runner = site.run();
    let id = TaskId::new(site.note("a", Enqueue::new()).await);
    eventually("it runs", || held.waiting() == 1).await;
    let row = site.tasks.show(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempt), (TaskState::Held, 1));
    assert_eq!(site.tasks.retry(id).await.unwrap(), Retry::NotNeeded);
    assert_eq!(site.tasks.cancel(id).await.ok(), Some(true));
    assert_eq!(site.tasks.cancel(id).await.ok(), Some(false));
    held.open();
    eventually("its commit was refused", || site.book().fenced.get() == 1).await;
    assert_eq!((site.effects().len(), site.rows()), (0, 0));
    site.end(runner).await;
}
