//! A stack with tasks in a new SQLite file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use euryale::connection::Lane;
use euryale::{Abort, Body, Pool, Publisher, Request, Response, Stack, StackService, Transaction};
use euryale_sqlite::Sqlite;
use euryale_sqlite::rusqlite::{self, Connection, OptionalExtension};
use euryale_tasks::sqlite::{SCHEMA, SqliteTable};
use euryale_tasks::{Enqueue, Payload, Run, Runner, RunnerBuilder, Task, Tasks, TasksBuilder};
use euryale_test::{Gate, assert_quiet, eventually};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Where tasks leave their effects.
const EFFECTS: &str = "
    CREATE TABLE effect (name TEXT NOT NULL) STRICT;
";

/// A task that leaves an effect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note(pub(crate) String);

impl Payload for Note {
    const KIND: &'static str = "note";
}

pub(crate) fn note(name: &str) -> Note {
    Note(name.to_owned())
}

pub(crate) fn leave(transaction: &mut Transaction<'_, Sqlite>, name: &str) -> Result<(), Abort> {
    let connection = transaction.connection()?;
    connection.execute("INSERT INTO effect VALUES (?1)", [name])?;
    Ok(())
}

pub(crate) fn open(path: &Path) -> Sqlite {
    let database = Sqlite::open(path).unwrap();
    database.migrate(&[SCHEMA, EFFECTS]).unwrap();
    database
}

/// The parts of a program, for a test.
pub(crate) struct Site {
    pub(crate) tasks: Tasks<Sqlite>,
    pub(crate) pool: Pool<Sqlite>,
    pub(crate) service: StackService,
    pub(crate) path: PathBuf,
    _folder: Option<TempDir>,
}

impl Site {
    /// Builds a site whose publisher answers 404, with four connections of which tasks may use two.
    pub(crate) fn new(kinds: impl FnOnce(TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite>) -> Self {
        Self::with(kinds, |_: &Request, _: &mut Transaction<'_, Sqlite>| {
            Err(Abort::status(http::StatusCode::NOT_FOUND))
        })
    }

    pub(crate) fn with(
        kinds: impl FnOnce(TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite>,
        publisher: impl Publisher<Sqlite>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.db");
        Self::build(&path, Some(folder), kinds, publisher)
    }

    /// Opens the site of another process. Its publisher answers 404.
    pub(crate) fn at(
        path: &Path,
        kinds: impl FnOnce(TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite>,
    ) -> Self {
        Self::build(
            path,
            None,
            kinds,
            |_: &Request, _: &mut Transaction<'_, Sqlite>| {
                Err(Abort::status(http::StatusCode::NOT_FOUND))
            },
        )
    }

    fn build(
        path: &Path,
        folder: Option<TempDir>,
        kinds: impl FnOnce(TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite>,
        publisher: impl Publisher<Sqlite>,
    ) -> Self {
        let database = open(path);
        let table = SqliteTable::open(&database).unwrap();
        let pool = Pool::builder(database)
            .connections(4)
            .lane("tasks", 2)
            .build();
        let lane: Lane = pool.lane("tasks").unwrap();
        let claims = {
            let pool = pool.clone();
            move || pool.claim().lane(lane)
        };
        let tasks = Tasks::builder(table, claims).ledger(pool.ledger().clone());
        let tasks = kinds(tasks).build();
        let service = Stack::new(pool.clone())
            .lane(lane, |request| Run::of(request.extensions()).is_some())
            .publisher(tasks.around(publisher));
        Self {
            tasks,
            pool,
            service,
            path: path.to_owned(),
            _folder: folder,
        }
    }

    pub(crate) fn runner(&self) -> RunnerBuilder<Sqlite> {
        self.tasks.runner(self.service.internal()).share(2)
    }

    /// Starts a runner that also notices soon what the tests change in the table.
    pub(crate) fn run(&self) -> Runner {
        self.runner().poll(Duration::from_millis(20)).start()
    }

    /// Adds a task in a transaction of its own.
    pub(crate) async fn add<P: Payload + Clone + Sync>(&self, payload: P, enqueue: Enqueue) -> i64 {
        let tasks = self.tasks.clone();
        let added = self
            .pool
            .transaction(move |transaction| tasks.add(transaction, &payload, &enqueue));
        added.await.unwrap().id().get()
    }

    pub(crate) async fn note(&self, name: &str, enqueue: Enqueue) -> i64 {
        self.add(note(name), enqueue).await
    }

    /// Another connection to the file.
    pub(crate) fn sql(&self) -> Connection {
        let sql = Connection::open(&self.path).unwrap();
        sql.busy_timeout(Duration::from_secs(5)).unwrap();
        sql
    }

    /// Returns a column of a task, or `None` if there is no such row.
    pub(crate) fn column<T: rusqlite::types::FromSql>(&self, id: i64, column: &str) -> Option<T> {
        let select = format!("SELECT {column} FROM euryale_task WHERE id = ?1");
        self.sql()
            .query_row(&select, [id], |row| row.get(0))
            .optional()
            .unwrap()
    }

    pub(crate) fn rows(&self) -> i64 {
        let count = "SELECT count(*) FROM euryale_task";
        self.sql().query_row(count, [], |row| row.get(0)).unwrap()
    }

    /// Returns the effects in their order.
    pub(crate) fn effects(&self) -> Vec<String> {
        let sql = self.sql();
        let mut select = sql
            .prepare("SELECT name FROM effect ORDER BY rowid")
            .unwrap();
        let names = select.query_map([], |row| row.get(0)).unwrap();
        names.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// Waits until the table is empty, and everything is counted.
    pub(crate) async fn all_done(&self) {
        eventually("all tasks end", || self.rows() == 0).await;
        self.all_counted().await;
    }

    /// Waits until nothing runs, so that all runs are counted.
    pub(crate) async fn all_counted(&self) {
        let book = self.book();
        let runs = || book.running.get() + book.suspended.get();
        eventually("no task runs", || runs() == 0).await;
    }

    /// Waits until the task is in this state: 0 due, 1 delayed, 2 held, 3 dead, 4 done.
    pub(crate) async fn state(&self, id: i64, state: i64) {
        let is_there = || self.column::<i64>(id, "state") == Some(state);
        eventually(&format!("task {id} is in state {state}"), is_there).await;
    }

    /// Waits until the task has no row.
    pub(crate) async fn ended(&self, id: i64) {
        let has_ended = || self.column::<i64>(id, "state").is_none();
        eventually(&format!("task {id} ends"), has_ended).await;
    }

    /// Makes a delayed task due.
    pub(crate) fn hurry(&self, id: i64) {
        let hurry = "UPDATE euryale_task SET at = 0 WHERE id = ?1 AND state = 1";
        self.sql().execute(hurry, [id]).unwrap();
    }

    pub(crate) fn book(&self) -> std::sync::Arc<euryale_tasks::TaskBook> {
        self.pool.ledger().of()
    }

    /// Ends the test: nothing is held any more.
    pub(crate) async fn end(self, runner: Runner) {
        runner.drain(Duration::from_secs(10)).await.unwrap();
        self.pool.close(Duration::from_secs(10)).await.unwrap();
        assert_quiet(self.pool.ledger()).await;
    }
}

pub(crate) fn text(text: &'static str) -> Response {
    Response::new(Body::from(text))
}

/// The kind [`Note`], whose function waits at the gate and then leaves its name.
pub(crate) fn gated(
    gate: &Gate,
) -> impl FnOnce(TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> + use<> {
    let gate = gate.clone();
    move |tasks| {
        tasks.function(move |task: &Task<'_, Sqlite, Note>, transaction| {
            gate.wait();
            leave(transaction, &task.payload.0)
        })
    }
}
