//! Requests and tasks that wait for a task.

use std::sync::OnceLock;
use std::time::Duration;

use euryale::promise::PromisesExt;
use euryale::{Abort, Body, BoxError, Request, Response, StackService, Transaction};
use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, Payload, Task, TaskId, Tasks, TasksBuilder};
use http::StatusCode;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

use crate::harness::{Note, Site, leave, note};

const LONG: Duration = Duration::from_secs(10);

/// The tasks of the site, for its publisher.
type Handle = OnceLock<Tasks<Sqlite>>;

fn measure(tasks: TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> {
    tasks
        .function(|task: &Task<'_, Sqlite, Note>, transaction| {
            if task.payload.0 == "broken" {
                return Err(Abort::status(StatusCode::GONE));
            }
            leave(transaction, &task.payload.0)?;
            Ok(task.payload.0.len())
        })
        .function(|task: &Task<'_, Sqlite, After>, transaction| {
            let wait = task.tasks().wait(TaskId::new(task.payload.0), LONG);
            let outcome = task.request().promises().ask("first", || wait).ready()??;
            leave(transaction, &format!("after {:?}", outcome.json()))
        })
}

/// A task that waits for another one.
#[derive(Clone, Serialize, Deserialize)]
struct After(i64);

impl Payload for After {
    const KIND: &'static str = "after";
}

/// A publisher that answers with the outcome of a task that it adds.
fn site(within: Duration) -> Site {
    let handle: &'static Handle = Box::leak(Box::default());
    let publisher = move |request: &Request, transaction: &mut Transaction<'_, Sqlite>| {
        let tasks = handle.get().unwrap();
        let name = request.uri().path().trim_start_matches('/');
        let kept = Enqueue::new().keep_outcome(Duration::from_secs(60));
        let id = tasks.add(transaction, &note(name), &kept)?.id();
        let deferred = tasks.deferred(id, within, |outcome| {
            let length = outcome.value::<usize>().map_err(BoxError::from)?;
            Ok(Response::new(Body::from(length.to_string())))
        });
        Ok(deferred.into())
    };
    let site = Site::with(measure, publisher);
    handle.set(site.tasks.clone()).unwrap();
    site
}

async fn post(service: &StackService, path: &str) -> (StatusCode, String) {
    let request = http::Request::post(path).body(String::new()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn request_is_answered_with_the_outcome_of_its_task() {
    let site = site(LONG);
    let runner = site.run();
    assert_eq!(
        post(&site.service, "/four").await,
        (StatusCode::OK, "4".to_owned())
    );
    assert_eq!(site.effects(), ["four"]);
    let (status, _) = post(&site.service, "/broken").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    site.end(runner).await;
}

#[tokio::test]
async fn wait_ends_in_time_and_leaves_the_task_alone() {
    let site = site(Duration::from_millis(20));
    let (status, _) = post(&site.service, "/later").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    let runner = site.run();
    euryale_test::eventually("the task is done", || site.effects() == ["later"]).await;
    site.end(runner).await;
}

#[tokio::test]
async fn task_waits_for_another_one_of_its_queue_in_the_only_place() {
    let site = site(LONG);
    // The first one is taken last.
    let first = site.note("first", Enqueue::new().priority(-1)).await;
    site.add(After(first), Enqueue::new()).await;
    let runner = site.runner().share(1).start();
    site.all_done().await;
    assert_eq!(site.effects(), ["first", "after None"]);
    site.end(runner).await;
}

#[tokio::test]
async fn task_of_another_process_is_noticed_and_one_that_has_ended_is_not_waited_for() {
    let site = site(LONG);
    let id = TaskId::new(site.note("other", Enqueue::new()).await);
    let wait = tokio::spawn(site.tasks.wait(id, LONG));
    tokio::task::yield_now().await;
    site.sql().execute("DELETE FROM euryale_task", []).unwrap();
    assert_eq!(wait.await.unwrap().unwrap().json(), None);
    assert!(site.tasks.wait(id, LONG).await.is_ok());
    let runner = site.run();
    site.end(runner).await;
}
