//! How a task runs: functions, routes and steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use euryale::body::BodyWriter;
use euryale::{Abort, Body, Deferred, Error, Request, Response, Transaction};
use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, IfThere, Payload, Run, Step, Task};
use euryale_test::{Gate, eventually};
use http::StatusCode;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

use crate::harness::{Note, Site, gated, leave, text};

fn route(request: &Request, transaction: &mut Transaction<'_, Sqlite>) -> Result<Response, Abort> {
    let run = Run::require(request)?;
    let name = run.payload::<Note>()?.0;
    leave(transaction, &format!("{name} at {}", request.uri()))?;
    match name.as_str() {
        "deferred" => Ok(Deferred::new(async { Ok::<_, Error>(text("later")) }).into()),
        "writer" => Ok(Response::new(Body::writer(|_: &mut BodyWriter| Ok(())))),
        "gone" => Err(Abort::status(StatusCode::GONE)),
        "redirect" => {
            let mut response = text("");
            *response.status_mut() = StatusCode::SEE_OTHER;
            Ok(response)
        }
        _ => Ok(text("done")),
    }
}

#[tokio::test]
async fn task_is_posted_to_a_route_that_is_hidden_from_outside() {
    let site = Site::with(|tasks| tasks.post::<Note>("/@@note"), route);
    let request = http::Request::post("/@@note")
        .header("x-task-id", "1")
        .body(r#""forged""#.to_owned())
        .unwrap();
    let response = site.service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    response.into_body().collect().await.unwrap();
    let runner = site.run();
    site.note("a", Enqueue::new()).await;
    site.all_done().await;
    assert_eq!(site.effects(), ["a at /@@note"]);
    site.end(runner).await;
}

#[tokio::test]
async fn answers_without_success_abort_and_the_task_is_dead_at_once() {
    let site = Site::with(|tasks| tasks.post::<Note>("/@@note"), route);
    let runner = site.run();
    for (name, error) in [
        ("deferred", "deferred"),
        ("writer", "deferred"),
        ("gone", "410 Gone"),
        ("redirect", "303 See Other"),
    ] {
        let id = site.note(name, Enqueue::new()).await;
        site.state(id, 3).await;
        let found: String = site.column(id, "error").unwrap();
        assert!(found.contains(error), "{name}: {found}");
    }
    assert_eq!(site.effects(), [""; 0]);
    site.all_counted().await;
    assert_eq!(site.book().dead.get(), 4);
    site.end(runner).await;
}

/// Counts to `to`, one number in each step.
#[derive(Clone, Serialize, Deserialize)]
struct Count {
    to: u32,
}

impl Payload for Count {
    const KIND: &'static str = "count";
}

#[tokio::test]
async fn failed_step_is_tried_again_from_the_last_cursor() {
    let gate = Gate::new();
    let held = gate.clone();
    let has_failed = AtomicBool::new(false);
    let site = Site::new(move |tasks| {
        tasks.in_steps(
            move |task: &Task<'_, Sqlite, Count>,
                  cursor: Option<u32>,
                  transaction: &mut Transaction<'_, Sqlite>| {
                let next = cursor.unwrap_or(0) + 1;
                leave(transaction, &next.to_string())?;
                if next == 3 && !has_failed.swap(true, Ordering::Relaxed) {
                    gate.wait();
                    return Err(Abort::status(StatusCode::INTERNAL_SERVER_ERROR));
                }
                Ok(if next == task.payload.to {
                    Step::Last
                } else {
                    Step::Next(next)
                })
            },
        )
    });
    let runner = site.run();
    let id = site.add(Count { to: 5 }, Enqueue::new()).await;
    eventually("the third step", || held.waiting() == 1).await;
    assert_eq!(site.column::<String>(id, "cursor").as_deref(), Some("2"));
    held.open();
    site.state(id, 1).await;
    assert_eq!(site.column::<u32>(id, "attempt"), Some(1));
    site.hurry(id);
    site.all_done().await;
    assert_eq!(site.effects(), ["1", "2", "3", "4", "5"]);
    assert_eq!(site.book().done.get(), 5);
    site.end(runner).await;
}

#[tokio::test]
async fn drain_ends_a_long_task_after_its_step() {
    let gate = Gate::new();
    let held = gate.clone();
    let site = Site::new(move |tasks| {
        tasks.in_steps(
            move |_: &Task<'_, Sqlite, Count>,
                  cursor: Option<u32>,
                  _: &mut Transaction<'_, Sqlite>| {
                gate.wait();
                Ok(Step::Next(cursor.unwrap_or(0) + 1))
            },
        )
    });
    let runner = site.run();
    let id = site.add(Count { to: 0 }, Enqueue::new()).await;
    eventually("the first step", || held.waiting() == 1).await;
    let drained = tokio::spawn(runner.drain(Duration::from_secs(10)));
    tokio::task::yield_now().await;
    held.open();
    drained.await.unwrap().unwrap();
    site.state(id, 0).await;
    assert!(site.column::<String>(id, "cursor").is_some());
    assert_eq!(site.column::<u32>(id, "attempt"), Some(0));
    let runner = site.runner().start();
    site.sql().execute("DELETE FROM euryale_task", []).unwrap();
    site.end(runner).await;
}

#[tokio::test]
async fn task_that_is_added_again_while_it_runs_runs_once_more() {
    let held = Gate::new();
    let site = Site::new(gated(&held));
    let runner = site.run();
    let unique = || Enqueue::new().key("k").if_there(IfThere::Again);
    let id = site.note("first", unique()).await;
    eventually("it runs", || held.waiting() == 1).await;
    for name in ["second", "third"] {
        assert_eq!(site.note(name, unique()).await, id);
    }
    held.open();
    site.all_done().await;
    assert_eq!(site.effects(), ["first", "third"]);
    site.end(runner).await;
}

#[tokio::test]
async fn outcome_is_kept_as_long_as_the_task_asks_for() {
    let site = Site::new(|tasks| {
        tasks.function(|task: &Task<'_, Sqlite, Note>, _| Ok(task.payload.0.len()))
    });
    let runner = site.run();
    let kept = Enqueue::new()
        .keep_outcome(Duration::from_secs(60))
        .key("k");
    let id = site.note("four", kept.clone()).await;
    site.state(id, 4).await;
    assert_eq!(site.column::<String>(id, "outcome").as_deref(), Some("4"));
    // It has ended, so the key is free.
    assert_ne!(site.note("again", kept).await, id);
    eventually("both end", || site.book().done.get() == 2).await;
    site.sql()
        .execute("UPDATE euryale_task SET at = 0 WHERE state = 4", [])
        .unwrap();
    site.all_done().await;
    site.end(runner).await;
}

#[tokio::test]
async fn longest_settings_are_stored_and_kept() {
    let site = Site::new(|tasks| {
        tasks
            .deadline(Duration::MAX)
            .function(|_: &Task<'_, Sqlite, Note>, _| Ok("done"))
    });
    let runner = site.runner().poll(Duration::MAX).start();
    let delayed = site
        .note("never", Enqueue::new().after(Duration::MAX))
        .await;
    let kept = site
        .note("kept", Enqueue::new().keep_outcome(Duration::MAX))
        .await;
    site.state(kept, 4).await;
    assert_eq!(site.column::<i64>(delayed, "state"), Some(1));
    site.end(runner).await;
}
