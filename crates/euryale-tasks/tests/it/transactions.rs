//! A task is a row of the transaction that adds it, and ends in that of its run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use euryale::{Abort, Error};
use euryale_core::error::CONFLICT;
use euryale_sqlite::Sqlite;
use euryale_tasks::{Added, Enqueue, IfThere, MAX_PAYLOAD, PAYLOAD_TOO_LARGE, Task};

use crate::harness::{Note, Site, leave, note};

fn site() -> Site {
    Site::new(|tasks| {
        tasks.function(|task: &Task<'_, Sqlite, Note>, transaction| {
            leave(transaction, &task.payload.0)
        })
    })
}

#[tokio::test]
async fn task_runs_once_and_leaves_no_row() {
    let site = site();
    let runner = site.run();
    site.note("a", Enqueue::new()).await;
    site.all_done().await;
    assert_eq!(site.effects(), ["a"]);
    assert_eq!(site.book().added.get(), 1);
    assert_eq!(site.book().done.get(), 1);
    site.end(runner).await;
}

#[tokio::test]
async fn task_of_an_aborted_transaction_does_not_exist() {
    let site = site();
    let runner = site.run();
    let tasks = site.tasks.clone();
    let aborted = site
        .pool
        .transaction(move |transaction| -> Result<(), Abort> {
            tasks.add(transaction, &note("lost"), &Enqueue::new())?;
            Err(Abort::status(http::StatusCode::CONFLICT))
        });
    assert!(aborted.await.is_err());
    assert_eq!(site.rows(), 0);
    assert_eq!(site.book().added.get(), 0);
    site.end(runner).await;
}

#[tokio::test]
async fn attempts_that_conflict_leave_the_tasks_of_the_last_one() {
    let site = site();
    let tasks = site.tasks.clone();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let added = site.pool.transaction(move |transaction| {
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        tasks.add(transaction, &note(&attempt.to_string()), &Enqueue::new())?;
        if attempt < 3 {
            return Err(Abort::error(Error::new(CONFLICT)));
        }
        Ok(())
    });
    added.await.unwrap();
    assert_eq!((attempts.load(Ordering::Relaxed), site.rows()), (4, 1));
    let runner = site.run();
    site.all_done().await;
    assert_eq!(site.effects(), ["3"]);
    site.end(runner).await;
}

#[tokio::test]
async fn payload_beyond_the_limit_is_refused() {
    let site = site();
    let tasks = site.tasks.clone();
    let added = site.pool.transaction(move |transaction| {
        tasks.add(
            transaction,
            &note(&"x".repeat(MAX_PAYLOAD)),
            &Enqueue::new(),
        )
    });
    let error = added.await.unwrap_err();
    assert!(error.is(PAYLOAD_TOO_LARGE), "{error:?}");
    assert_eq!(site.rows(), 0);
    let runner = site.run();
    site.end(runner).await;
}

#[tokio::test]
async fn waiting_task_with_the_same_key_is_kept_or_replaced() {
    let site = site();
    let add = async |name: &'static str, if_there| {
        let tasks = site.tasks.clone();
        let enqueue = Enqueue::new().key("k").if_there(if_there);
        let added = site
            .pool
            .transaction(move |transaction| tasks.add(transaction, &note(name), &enqueue));
        added.await.unwrap()
    };
    let first = add("first", IfThere::Keep).await;
    let id = first.id();
    assert_eq!(first, Added::New(id));
    assert_eq!(add("second", IfThere::Keep).await, Added::Kept(id));
    assert_eq!(add("third", IfThere::Again).await, Added::Kept(id));
    assert_eq!(add("fourth", IfThere::Replace).await, Added::Replaced(id));
    let runner = site.run();
    site.all_done().await;
    assert_eq!(site.effects(), ["fourth"]);
    // A task that has ended does not count.
    assert!(matches!(add("fifth", IfThere::Keep).await, Added::New(_)));
    site.all_done().await;
    site.end(runner).await;
}
