//! Tests of commits whose answers were lost.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use euryale_core::error::{CONFLICT, IN_DOUBT, UNAVAILABLE};
use euryale_core::transaction::{Access, DropReason};
use euryale_test::engines::{Postgres as Server, Setup, Stop};
use tempfile::TempDir;

use super::{Worker, committed, counters, counters_at, increment, value};
use crate::marks::{Mark, PRUNE};
use crate::{Connection, Isolation, Postgres};

/// Returns the number of tries: a tenth of the full number, which `EURYALE_TRIES=500` runs.
fn tries() -> usize {
    let tries = std::env::var("EURYALE_TRIES").ok();
    tries.and_then(|tries| tries.parse().ok()).unwrap_or(50)
}

/// The number of writers whose server is killed.
const WRITERS: usize = 3;

/// The complete message with which a reader commits.
const READERS_COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// The point at which the next commit is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// The message of the commit never arrives.
    Before,
    /// The message arrives, but the answer does not.
    After,
    /// The last byte of the message arrives after the commit was settled.
    Late,
}

/// Passes bytes on between clients and a server, and cuts the connection at a commit.
struct Cutter {
    folder: TempDir,
    next: Arc<Mutex<Option<Cut>>>,
    /// The server's ends of connections that were cut, each with the byte that is still to be sent.
    late: Receiver<(UnixStream, u8)>,
}

impl Cutter {
    fn new(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let target = server.folder().join(format!(".s.PGSQL.{}", server.port()));
        let next = Arc::new(Mutex::new(None));
        let (sender, late) = channel();
        let cut = Arc::clone(&next);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = UnixStream::connect(&target).unwrap();
                let answers = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass_on(answers.0, answers.1));
                let cut = Arc::clone(&cut);
                let sender = sender.clone();
                std::thread::spawn(move || forward(client, server, &cut, &sender));
            }
        });
        Self { folder, next, late }
    }

    fn url(&self, server: &Server, database: &str) -> String {
        let old = server.folder().display().to_string().replace('/', "%2F");
        let new = self.folder.path().display().to_string().replace('/', "%2F");
        server.url(database).replace(&old, &new)
    }

    fn cut_next(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn forward(
    mut client: UnixStream,
    mut server: UnixStream,
    cut: &Mutex<Option<Cut>>,
    late: &Sender<(UnixStream, u8)>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        let bytes = &buffer[..length];
        let is_marked = contains(bytes, b"(id) SELECT") || contains(bytes, b"EXECUTE euryale_mark");
        let is_of_writer = is_marked && contains(bytes, b"COMMIT");
        let is_commit = is_of_writer || bytes == READERS_COMMIT;
        let cut = is_commit.then(|| cut.lock().unwrap().take()).flatten();
        let (&last, rest) = bytes.split_last().unwrap();
        match cut {
            None => {
                if server.write_all(bytes).is_err() {
                    break;
                }
            }
            Some(Cut::Before) => break,
            Some(Cut::After) => {
                // The answer arrives when the client is gone.
                let _ = client.shutdown(std::net::Shutdown::Both);
                server.write_all(bytes).unwrap();
                // The server reads the message before it sees the end.
                break;
            }
            Some(Cut::Late) => {
                server.write_all(rest).unwrap();
                let _ = client.shutdown(std::net::Shutdown::Both);
                late.send((server, last)).unwrap();
                return;
            }
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = server.shutdown(std::net::Shutdown::Write);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_commit_that_is_cut_at_the_socket_is_settled_truthfully() {
    let Some(server) = Server::shared() else {
        return;
    };
    let name = server.create_database();
    let direct = counters_at(&server.url(&name));
    let cutter = Cutter::new(server);
    let database = Postgres::open(&cutter.url(server, &name)).unwrap();
    let mut worker = Worker::new(&database);
    let mut expected = 0;
    let mut settled = Vec::new();
    for try_ in 0..tries() {
        let cut = [Cut::Late, Cut::After, Cut::Late, Cut::Before][try_ % 4];
        // Only the first marked commit of a session does without the prepared statement.
        if try_ % 8 < 4 {
            worker.run_well(Access::Write, |transaction| {
                Ok(increment(transaction.connection()?, 1)?)
            });
            expected += 1;
        }
        cutter.cut_next(cut);
        let begin = Instant::now();
        let result = worker.run(Access::Write, |transaction| {
            Ok(increment(transaction.connection()?, 1)?)
        });
        settled.push(begin.elapsed());
        match result {
            Ok(_) => expected += 1,
            Err(error) => assert_eq!(error.code(), CONFLICT, "{cut:?}: {error:?}"),
        }
        if cut == Cut::Late {
            let (mut late, last) = cutter.late.recv_timeout(Duration::from_secs(10)).unwrap();
            late.write_all(&[last]).unwrap();
            late.shutdown(std::net::Shutdown::Write).unwrap();
            // By the time the server ends the session, it has refused the commit.
            let mut answer = Vec::new();
            let _ = late.read_to_end(&mut answer);
        }
        assert_eq!(committed(&direct, 1), expected, "{cut:?}, try {try_}");
    }
    let transactions = &worker.lender.ledger().transactions;
    let found = transactions.settled_committed.get() + transactions.settled_aborted.get();
    assert_eq!(found, tries() as u64, "every commit was cut");
    assert_eq!(transactions.in_doubt.get(), 0);
    settled.sort_unstable();
    let p99 = settled[settled.len() * 99 / 100];
    println!("settled: {found}, of which committed {expected}; p99 {p99:?}");
    assert!(p99 < Duration::from_secs(1), "{p99:?}");
}

#[test]
fn a_reader_whose_end_is_cut_at_the_socket_is_never_in_doubt() {
    let Some(server) = Server::shared() else {
        return;
    };
    let name = server.create_database();
    drop(counters_at(&server.url(&name)));
    let cutter = Cutter::new(server);
    let database = Postgres::open(&cutter.url(server, &name)).unwrap();
    let mut worker = Worker::new(&database.reader_isolation(Isolation::Serializable));
    for cut in [Cut::Before, Cut::After] {
        cutter.cut_next(cut);
        let result = worker.run(Access::Read, |transaction| {
            Ok(value(transaction.connection()?, 1)?)
        });
        assert_eq!(result.unwrap_err().code(), UNAVAILABLE, "{cut:?}");
    }
    assert_eq!(worker.lender.dropped(DropReason::Disconnected), 2);
    assert_eq!(worker.lender.ledger().transactions.in_doubt.get(), 0);
}

/// Waits until each writer has ended a transaction from now on.
fn each_ends(ends: &Receiver<usize>) -> bool {
    let mut left: BTreeSet<usize> = (0..WRITERS).collect();
    for _ in ends.try_iter() {}
    while !left.is_empty() {
        match ends.recv_timeout(Duration::from_secs(60)) {
            Ok(number) => left.remove(&number),
            Err(_) => return false,
        };
    }
    true
}

#[test]
fn commits_around_a_killed_server_are_reported_truthfully() {
    // A killed process loses no data that the system has received. Without fsync the server
    // recovers at once.
    let Some(mut server) = Setup::new().setting("fsync", "off").start() else {
        return;
    };
    let name = server.create_database();
    let database = counters_at(&server.url(&name));
    let kills = tries().div_ceil(10);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut restarts = Vec::new();
    let (answered, in_doubt, settled) = std::thread::scope(|scope| {
        let (ended, ends) = channel();
        let database = &database;
        let stop = &stop;
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let ended = ended.clone();
                scope.spawn(move || {
                    let mut worker = Worker::new(database);
                    let mut answered = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let result = worker.run(Access::Write, |transaction| {
                            Ok(increment(transaction.connection()?, 1)?)
                        });
                        match result.map_err(|error| error.code()) {
                            Ok(_) => answered += 1,
                            Err(CONFLICT | UNAVAILABLE | IN_DOUBT) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                        let _ = ended.send(number);
                    }
                    let counters = &worker.lender.ledger().transactions;
                    let in_doubt = i32::try_from(counters.in_doubt.get()).unwrap();
                    let settled = counters.settled_committed.get() + counters.settled_aborted.get();
                    (answered, in_doubt, settled)
                })
            })
            .collect();
        for _ in 0..kills {
            std::thread::park_timeout(Duration::from_millis(fastrand::u64(20..200)));
            let begin = Instant::now();
            server.restart(Stop::Kill);
            restarts.push(begin.elapsed());
            // Commits are settled before the next kill, because two kills in a row would be one
            // long outage.
            if !each_ends(&ends) {
                break;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let ends = writers.into_iter().map(|writer| writer.join().unwrap());
        ends.fold((0, 0, 0), |sum, end| {
            (sum.0 + end.0, sum.1 + end.1, sum.2 + end.2)
        })
    });
    assert_eq!(restarts.len(), kills, "a writer hangs");
    let longest = restarts.iter().max();
    println!("settled {settled}, in doubt {in_doubt}, longest restart {longest:?}");
    assert_eq!(in_doubt, 0, "{longest:?}");
    assert_eq!(committed(&database, 1), answered);
    // With few kills, all of them may miss the short time between a commit and its answer.
    assert!(settled > 0 || tries() < 500, "nothing was settled");
}

#[test]
fn a_commit_that_waits_for_the_standby_that_was_promoted_is_settled_there() {
    let Some(primary) = Server::start() else {
        return;
    };
    drop(counters_at(&primary.url("postgres")));
    let standby = primary.replica();
    let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    primary.sql("postgres", wait);
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let hosts = format!(
        "host={},{} user=euryale dbname=postgres target_session_attrs=read-write",
        primary.folder().display(),
        standby.folder().display()
    );
    let database = Postgres::open(&hosts).unwrap();
    let mut worker = Worker::new(&database);
    let begin = Instant::now();
    let error = std::thread::scope(|scope| {
        let database = &database;
        let primary = &primary;
        let standby = &standby;
        worker.run(Access::Write, |transaction| {
            increment(transaction.connection()?, 1)?;
            let fence = "ALTER SYSTEM SET default_transaction_read_only = on";
            primary.sql("postgres", fence);
            primary.sql("postgres", "SELECT pg_reload_conf()");
            standby.promote();
            scope.spawn(move || {
                let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
                while primary.sql("postgres", waits) != "1" {
                    std::thread::yield_now();
                }
                // As a writer finds out.
                assert!(database.state.demoted(database.state.epoch()));
            });
            Ok(())
        })
    });
    assert_eq!(error.unwrap_err().code(), CONFLICT);
    assert!(begin.elapsed() < Duration::from_secs(30));
    worker.run_well(Access::Write, |transaction| {
        Ok(increment(transaction.connection()?, 1)?)
    });
    let value = "SELECT value FROM counter WHERE id = 1";
    assert_eq!(standby.sql("postgres", value), "1");
}

#[test]
fn without_marks_a_lost_answer_stays_in_doubt() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database.clone().settle(false));
    // The trigger ends the session during the commit.
    let mut other = database.open_connection().unwrap();
    other
        .batch_execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER dies AFTER UPDATE ON counter \
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();",
        )
        .unwrap();
    let run = |worker: &mut Worker| {
        let result = worker.run(Access::Write, |transaction| {
            Ok(increment(transaction.connection()?, 1)?)
        });
        result.unwrap_err().code()
    };
    assert_eq!(run(&mut worker), IN_DOUBT);
    let mut worker = Worker::new(&database);
    assert_eq!(run(&mut worker), CONFLICT);
    assert_eq!(worker.lender.ledger().transactions.settled_aborted.get(), 1);
    assert_eq!(committed(&database, 1), 0);
}

#[test]
fn old_marks_are_removed_by_their_keys_within_a_second() {
    let Some(database) = counters() else {
        return;
    };
    let mut connection = database.open_connection().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // The time of the process that committed, and that of the server, in minutes before now.
    for (process, server) in [(61, 61), (59, 59), (121, 1), (1, 121)] {
        let key = Mark::of((now - Duration::from_secs(process * 60)).as_millis());
        let insert = format!(
            "INSERT INTO euryale_commit \
             VALUES ('{key}', false, now() - interval '{server} minutes')"
        );
        connection.execute(&insert, &[]).unwrap();
    }
    let count = |connection: &mut Connection| -> i64 {
        let row = connection.query_one("SELECT count(*) FROM euryale_commit", &[]);
        row.unwrap().get(0)
    };
    // While another session holds the table, the removal is given up and leaves no transaction
    // behind.
    let mut other = database.open_connection().unwrap();
    other
        .batch_execute("BEGIN; LOCK euryale_commit IN EXCLUSIVE MODE")
        .unwrap();
    let error = connection.batch_execute(PRUNE).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
    let timeout = connection.query_one("SHOW statement_timeout", &[]).unwrap();
    assert_eq!(timeout.get::<_, &str>(0), "0");
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(count(&mut connection), 4);
    connection.batch_execute(PRUNE).unwrap();
    // Only the first one is old by both clocks.
    assert_eq!(count(&mut connection), 3);

    let (_, delete) = PRUNE.split_once("; ").unwrap();
    connection
        .batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        .unwrap();
    let plan = connection.query(&format!("EXPLAIN {delete}"), &[]).unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    assert!(plan.join("\n").contains("Index Cond: (id < "), "{plan:#?}");
}

#[test]
fn a_session_that_has_lost_the_statement_of_its_marks_prepares_it_again() {
    let Some(database) = counters() else {
        return;
    };
    let mut worker = Worker::new(&database);
    let mut write = |sql: &str| {
        worker.run(Access::Write, |transaction| {
            let connection = transaction.connection()?;
            connection.batch_execute(sql)?;
            Ok(increment(connection, 1)?)
        })
    };
    write("SELECT 1").unwrap();
    write("SELECT 1").unwrap();
    assert_eq!(
        write("DEALLOCATE euryale_mark").unwrap_err().code(),
        CONFLICT
    );
    write("SELECT 1").unwrap();
    write("SELECT 1").unwrap();
    let mut other = database.open_connection().unwrap();
    let marks = other.query_one("SELECT count(*) FROM euryale_commit", &[]);
    assert_eq!(marks.unwrap().get::<_, i64>(0), 4);
    assert_eq!(committed(&database, 1), 4);
}

#[test]
fn a_second_question_gets_the_first_answer() {
    let Some(database) = counters() else {
        return;
    };
    let mark = Mark::next();
    for _ in 0..2 {
        let mut connection = database.open_connection().unwrap();
        let settled = connection.settle(mark).unwrap();
        assert_eq!(settled, euryale_core::transaction::Settled::Aborted);
    }
}
