//! Tasks whose process has ended, or whose hold has expired.

use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, Task, TasksBuilder};
use euryale_test::{Gate, eventually};

use crate::harness::{Note, Site, gated, leave};

/// Leaves the name "rescued".
fn rescuing(tasks: TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> {
    tasks.function(|_: &Task<'_, Sqlite, Note>, transaction| leave(transaction, "rescued"))
}

/// Runs a task in one process, changes its row by `lost`, and lets another process find it.
async fn lose(lost: &str) {
    let gate = Gate::new();
    let site = Site::new(gated(&gate));
    let slow = site.run();
    let id = site.note("late", Enqueue::new()).await;
    eventually("it runs", || gate.waiting() == 1).await;
    drop(slow);
    site.sql().execute(lost, []).unwrap();
    let other = Site::at(&site.path, rescuing);
    let runner = other.run();
    other.ended(id).await;
    assert_eq!(other.book().rescued.get(), 1);
    gate.open();
    eventually("the late run is fenced", || site.book().fenced.get() == 1).await;
    assert_eq!(site.effects(), ["rescued"]);
    other.end(runner).await;
    let runner = site.run();
    site.end(runner).await;
}

#[tokio::test]
async fn task_of_a_process_that_has_ended_is_run_by_another_one() {
    lose("UPDATE euryale_task SET holder = 'a process without a file'").await;
}

#[tokio::test]
async fn task_whose_hold_has_expired_is_run_by_another_process() {
    lose("UPDATE euryale_task SET held_until = 0").await;
}

#[tokio::test]
async fn holds_expire_although_the_lock_of_their_process_cannot_be_examined() {
    let site = Site::new(rescuing);
    let mut folder = site.path.clone().into_os_string();
    folder.push("-tasks");
    // A link to itself cannot be opened.
    std::os::unix::fs::symlink("loop", std::path::Path::new(&folder).join("loop")).unwrap();
    let id = site.note("a", Enqueue::new()).await;
    let hold = "UPDATE euryale_task SET state = 2, attempt = 1, token = 1, holder = 'loop', \
        held_until = ";
    site.sql()
        .execute(&format!("{hold} {}", i64::MAX), [])
        .unwrap();
    let runner = site.run();
    site.note("b", Enqueue::new()).await;
    eventually("the other task is done", || site.rows() == 1).await;
    assert_eq!(site.column::<i64>(id, "state"), Some(2));
    site.sql().execute(&format!("{hold} 0"), []).unwrap();
    site.all_done().await;
    assert_eq!(site.effects(), ["rescued", "rescued"]);
    site.end(runner).await;
}

#[tokio::test]
async fn last_attempt_that_ends_with_its_process_is_dead_unless_the_task_was_added_again() {
    let site = Site::new(rescuing);
    let dead = site.note("dead", Enqueue::new().attempts(1)).await;
    let again = site.note("again", Enqueue::new().attempts(1)).await;
    let hold = "UPDATE euryale_task SET state = 2, attempt = 1, token = id, holder = 'gone', \
        held_until = 0";
    site.sql().execute(hold, []).unwrap();
    let add = "UPDATE euryale_task SET again = payload WHERE id = ?1";
    site.sql().execute(add, [again]).unwrap();
    let runner = site.run();
    site.state(dead, 3).await;
    site.ended(again).await;
    let error: String = site.column(dead, "error").unwrap();
    assert!(error.contains("its process ended"), "{error}");
    site.all_counted().await;
    assert_eq!((site.book().rescued.get(), site.book().dead.get()), (2, 1));
    site.end(runner).await;
}
