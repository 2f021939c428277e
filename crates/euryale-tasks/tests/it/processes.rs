//! Several processes on one table, some of which are killed or stopped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use euryale_sqlite::Sqlite;
use euryale_tasks::{Enqueue, Task, TasksBuilder};
use euryale_test::eventually;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Note, Site, leave, note};

/// The variable with the path of the database, for the program that is killed.
const DATABASE: &str = "EURYALE_TEST_TASKS";

/// What the program writes before each line for the test.
const TOLD: &str = "told: ";

/// How long the program's runs may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// A process that runs tasks. It is killed when it is dropped.
struct Process {
    child: Child,
    told: Receiver<String>,
}

impl Process {
    fn start(database: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "processes::the_program_that_is_killed",
            ])
            .env(DATABASE, database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .filter_map(|line| Some(line.split_once(TOLD)?.1.to_owned()))
                .try_for_each(|line| tell.send(line))
        });
        Self { child, told }
    }

    fn tells(&self, line: &str) {
        assert_eq!(
            self.told.recv_timeout(Duration::from_secs(30)).as_deref(),
            Ok(line)
        );
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kinds(tasks: TasksBuilder<Sqlite>) -> TasksBuilder<Sqlite> {
    tasks
        .deadline(DEADLINE)
        .function(|task: &Task<'_, Sqlite, Note>, transaction| {
            match task.payload.0.as_str() {
                "poison" => std::process::abort(),
                "slow" => {
                    println!("{TOLD}begun");
                    // Until the test has stopped this process, and lets it continue.
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line).unwrap();
                }
                _ => {}
            }
            leave(transaction, &task.payload.0)
        })
}

#[test]
#[ignore = "it is started by the tests below"]
fn the_program_that_is_killed() {
    let Some(database) = std::env::var_os(DATABASE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let site = Site::at(Path::new(&database), kinds);
        let _runner = site.run();
        let book = site.book();
        let mut fenced = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if book.fenced.get() > fenced {
                fenced = book.fenced.get();
                println!("{TOLD}fenced");
            }
        }
    });
}

/// Adds tasks with the names 0, 1, 2 …
async fn add_many(site: &Site, number: usize) {
    let tasks = site.tasks.clone();
    let added = site.pool.transaction(move |transaction| {
        for name in 0..number {
            tasks.add(
                transaction,
                &note(&name.to_string()),
                &Enqueue::new().attempts(100),
            )?;
        }
        Ok(())
    });
    added.await.unwrap();
}

/// Runs `tasks` tasks in three processes, of which `kills` are killed, one after the other.
async fn survive(tasks: usize, kills: usize) {
    let site = Site::new(kinds);
    add_many(&site, tasks).await;
    let mut processes: Vec<_> = (0..3).map(|_| Process::start(&site.path)).collect();
    let sql = site.sql();
    let done = || -> usize {
        let count = "SELECT count(*) FROM effect";
        let count: i64 = sql.query_row(count, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    };
    let mut moved = (0, Instant::now());
    for kill in 1..=kills {
        let at = kill * tasks / (kills + 1);
        loop {
            let now = done();
            if now >= at {
                break;
            }
            if now > moved.0 {
                moved = (now, Instant::now());
            }
            assert!(
                moved.1.elapsed() < Duration::from_secs(30),
                "stuck at {now} tasks"
            );
            tokio::task::yield_now().await;
        }
        let killed = fastrand::usize(..processes.len());
        processes[killed] = Process::start(&site.path); // The old one is killed when it is dropped.
    }
    let last_kill = Instant::now();
    while site.rows() > 0 {
        assert!(
            last_kill.elapsed() < Duration::from_secs(35),
            "{} tasks are left",
            site.rows()
        );
        tokio::task::yield_now().await;
    }
    let distinct = "SELECT count(DISTINCT name) FROM effect";
    let distinct: i64 = sql.query_row(distinct, [], |row| row.get(0)).unwrap();
    assert_eq!((done(), usize::try_from(distinct).unwrap()), (tasks, tasks));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_effect_happens_once_although_processes_are_killed() {
    survive(1_000, 5).await;
}

/// The full count: `cargo test --release -p euryale-tasks --all-features -- --ignored full_count`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long without optimization"]
async fn full_count_of_tasks_and_kills() {
    let began = Instant::now();
    survive(10_000, 50).await;
    println!("10,000 tasks under 50 kills: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn task_that_kills_its_process_is_dead_after_its_attempts() {
    let site = Site::new(kinds);
    let id = site
        .note("poison", Enqueue::new().attempts(2).priority(1))
        .await;
    site.note("good", Enqueue::new()).await;
    let mut process = Process::start(&site.path);
    eventually("the poison is dead, and the other task is done", || {
        if process.has_ended() {
            process = Process::start(&site.path);
        }
        site.column::<i64>(id, "state") == Some(3) && site.effects() == ["good"]
    })
    .await;
    assert_eq!(site.column::<i64>(id, "attempt"), Some(2));
    let error: String = site.column(id, "error").unwrap();
    assert!(error.contains("its process ended"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn process_that_is_stopped_beyond_its_hold_commits_nothing_when_it_continues() {
    let site = Site::new(|tasks| {
        tasks.function(|_: &Task<'_, Sqlite, Note>, transaction| leave(transaction, "other"))
    });
    let id = site.note("slow", Enqueue::new()).await;
    let mut process = Process::start(&site.path);
    process.tells("begun");
    process.signal(Signal::STOP);
    // Not even half of the hold is over, so another process leaves the task alone.
    let began = Instant::now();
    let runner = site.run();
    site.note("quick", Enqueue::new()).await;
    eventually("the other task is done", || site.rows() == 1).await;
    assert!(began.elapsed() > DEADLINE || site.column::<i64>(id, "state") == Some(2));
    eventually("it is taken from the stopped process", || site.rows() == 0).await;
    process.signal(Signal::CONT);
    drop(process.child.stdin.take());
    process.tells("fenced");
    assert_eq!(site.effects(), ["other", "other"]);
    site.end(runner).await;
}
