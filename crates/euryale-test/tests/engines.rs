//! The servers that tests start.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use euryale_test::engines::{PgBouncer, Postgres, Setup, Stop};

#[test]
fn what_was_committed_survives_every_way_to_stop() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    let database = postgres.create_database();
    postgres.sql(&database, "CREATE TABLE t (n int)");
    for (number, stop) in (1..).zip([Stop::Fast, Stop::Immediate, Stop::Kill]) {
        postgres.sql(&database, "INSERT INTO t VALUES (1)");
        postgres.restart(stop);
        let count = postgres.sql(&database, "SELECT count(*) FROM t");
        assert_eq!(count, number.to_string());
    }
    let folder = postgres.folder().to_owned();
    drop(postgres);
    assert!(!folder.exists());
}

#[test]
fn a_replica_follows_and_is_promoted_when_its_primary_is_killed() {
    let Some(mut primary) = Postgres::start() else {
        return;
    };
    primary.sql("postgres", "CREATE TABLE t AS SELECT 1 AS n");
    let replica = primary.replica();
    assert_eq!(replica.sql("postgres", "SELECT n FROM t"), "1");
    assert_eq!(replica.sql("postgres", "SELECT pg_is_in_recovery()"), "t");
    primary.kill();
    replica.promote();
    replica.sql("postgres", "INSERT INTO t VALUES (2)");
    assert_eq!(replica.sql("postgres", "SELECT sum(n) FROM t"), "3");
}

#[test]
fn settings_and_rules_for_clients_apply() {
    let setup = Setup::new()
        .setting("max_connections", "17")
        .listen()
        .hba("host all all 127.0.0.1/32 reject");
    let Some(postgres) = setup.start() else {
        return;
    };
    assert_eq!(postgres.sql("postgres", "SHOW max_connections"), "17");
    assert_ne!(postgres.port(), 5432);
    assert!(std::net::TcpStream::connect(("127.0.0.1", postgres.port())).is_ok());
}

#[test]
fn pgbouncer_is_in_front_of_a_database() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let database = postgres.create_database();
    let Some(bouncer) = PgBouncer::start(postgres, 2) else {
        return;
    };
    let psql = Command::new("psql")
        .args(["-X", "-A", "-t", "-c", "SELECT current_database()"])
        .arg(bouncer.url(&database))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&psql.stdout).trim(), database);
}

/// Set in the environment of the process that the test below kills.
const IS_KILLED: &str = "EURYALE_TEST_IS_KILLED";

#[test]
fn nothing_is_left_of_a_server_whose_test_was_killed() {
    if std::env::var_os(IS_KILLED).is_some() {
        let postgres = Postgres::start().unwrap();
        println!("server {}", postgres.process().unwrap());
        println!("folder {}", postgres.folder().display());
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    if Postgres::shared().is_none() {
        return;
    }
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("nothing_is_left_of_a_server_whose_test_was_killed")
        .env(IS_KILLED, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let mut value = |name: &str| {
        let found = lines.find_map(|line| line.split_once(name).map(|(_, value)| value.to_owned()));
        found.unwrap()
    };
    let server = value("server ");
    let folder = value("folder ");
    assert!(Path::new(&format!("/proc/{server}")).exists());
    test.kill().unwrap();
    test.wait().unwrap();
    let is_left = || {
        let stat = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
        let runs = stat.contains(") ") && !stat.contains(") Z ");
        runs || Path::new(&folder).exists()
    };
    let until = Instant::now() + Duration::from_secs(30);
    while is_left() {
        assert!(Instant::now() < until, "server {server}, folder {folder}");
        std::thread::yield_now();
    }
}
