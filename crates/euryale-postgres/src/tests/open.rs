//! Tests of databases that cannot be opened, and of their error messages.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
#[cfg(target_os = "linux")]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use euryale_core::Database;
use euryale_test::engines::{Postgres as Server, Setup};

use crate::Postgres;

pub(super) fn refusal(url: &str) -> String {
    let line = Postgres::open(url).unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn each_error_of_opening_is_one_line_with_its_remedy() {
    let Some(server) = Server::shared() else {
        return;
    };
    let url = server.url("nowhere");
    let line = refusal(&url);
    assert!(
        line.contains("there is no database nowhere; run createdb"),
        "{line}"
    );
    let line = refusal(&url.replace("euryale@", "nobody@"));
    assert!(line.contains("create the role"), "{line}");
    let line = refusal("postgres://u@%2Fnowhere/x");
    assert!(line.contains("no server listens there"), "{line}");
    let line = refusal("postgres://u@127.0.0.1:1/x");
    assert!(line.contains("no server listens there"), "{line}");
    let line = refusal("postgres://u@no-such-host.invalid/x");
    assert!(line.contains("correct the host"), "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_never_accepts_is_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".s.PGSQL.5432");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    // This connection takes the only place in the backlog.
    let _first = UnixStream::connect(&path).unwrap();
    let folder = folder.path().display().to_string().replace('/', "%2F");
    let line = refusal(&format!("postgres://u@{folder}/x?connect_timeout=2"));
    assert!(line.contains("does not answer within 2 s"), "{line}");
}

/// A server that sends `bytes` to its first client, `times` times.
fn server_that_sends(bytes: &'static [u8], times: usize) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        // The client's first message fits into the socket, read or not.
        let mut sent = (0..times).map(|_| client.write_all(bytes));
        if sent.all(|sent| sent.is_ok()) {
            // It neither closes the socket nor sends more.
            let _ = client.read_to_end(&mut Vec::new());
        }
    });
    let path = folder.path().display().to_string().replace('/', "%2F");
    let url = format!("postgres://u@{path}/x?connect_timeout=2");
    (folder, url)
}

#[test]
fn a_server_that_sends_nonsense_is_refused_in_time() {
    const ACCEPTED: &[u8] = b"R\0\0\0\x08\0\0\0\0";
    const NOTICE: &[u8] = b"N\0\0\0\x17SNOTICE\0C00000\0M!\0\0";
    for (bytes, times) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), 1),
        (b"\0\0\0\0\0\0\0\0\0\0", 1),
        (b"R\xff\xff\xff\xff", 1),
        (b"R\0\0\0\x08\0\0\0\x0c", 1),
        (b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0", 1),
        (b"E\0\0\0\x05\0", 1),
        (b"Z\0\0\0\x05I", 1),
        (ACCEPTED, 1),
        (ACCEPTED, usize::MAX),
        (NOTICE, usize::MAX),
    ] {
        let (_folder, url) = server_that_sends(bytes, times);
        let begin = Instant::now();
        let line = refusal(&url);
        assert!(begin.elapsed() < Duration::from_secs(10), "{bytes:?}");
        assert!(line.contains(".s.PGSQL.5432: "), "{line}");
    }
}

#[test]
fn passwords_are_sent_and_never_shown() {
    let setup = Setup::new()
        .listen()
        .hba("host all all 127.0.0.1/32 scram-sha-256");
    let Some(server) = setup.start() else {
        return;
    };
    server.sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'swordfish'");
    let port = server.port();
    let at = |user: &str| format!("postgres://{user}@127.0.0.1:{port}/postgres");
    let database = Postgres::open(&at("guest:swordfish")).unwrap();
    assert!(!format!("{database:?} {}", database.name()).contains("swordfish"));
    let line = refusal(&at("guest:tuna"));
    assert!(line.contains("the password of guest is wrong"), "{line}");
    assert!(!line.contains("tuna"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgpass");
    std::fs::write(&file, format!("127.0.0.1:{port}:*:guest:swordfish\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with_file = format!("{}?passfile={}", at("guest"), file.display());
    let mut connection = Postgres::open(&with_file).unwrap().connect().unwrap();
    let user: String = connection
        .query_one("SELECT current_user::text", &[])
        .unwrap()
        .get(0);
    assert_eq!(user, "guest");
}

#[test]
fn a_server_that_is_full_says_so() {
    let setup = Setup::new()
        .setting("max_connections", "6")
        .setting("superuser_reserved_connections", "3");
    let Some(server) = setup.start() else {
        return;
    };
    server.sql("postgres", "CREATE ROLE guest LOGIN");
    let url = server.url("postgres").replace("euryale@", "guest@");
    let database = Postgres::open(&url).unwrap();
    let capacity = database.capacity(2, 2).unwrap();
    assert!(!capacity.suffices());
    assert_eq!(
        capacity.to_string(),
        "database connections: 2 × 2 of at most 3; raise max_connections, or lower the caps or \
         the number of processes"
    );
    assert!(database.capacity(3, 1).unwrap().suffices());
    let held: Vec<_> = std::iter::repeat_with(|| database.connect())
        .take_while(Result::is_ok)
        .collect();
    assert!(!held.is_empty());
    let line = refusal(&url);
    assert!(line.contains("has no connection left"), "{line}");
}

#[test]
fn the_server_with_the_wanted_role_is_found_among_several() {
    let Some(primary) = Server::start() else {
        return;
    };
    let standby = primary.replica();
    let hosts = format!(
        "{},{}",
        standby.folder().display(),
        primary.folder().display()
    );
    let open = |target: &str| {
        let pairs =
            format!("host={hosts} user=euryale dbname=postgres target_session_attrs={target}");
        Postgres::open(&pairs)
    };
    let is_standby = |target: &str| -> bool {
        let mut connection = open(target).unwrap().connect().unwrap();
        let row = connection.query_one("SELECT pg_is_in_recovery()", &[]);
        row.unwrap().get(0)
    };
    for (target, expected) in [
        ("any", true),
        ("read-write", false),
        ("primary", false),
        ("standby", true),
        ("read-only", true),
        ("prefer-standby", true),
    ] {
        assert_eq!(is_standby(target), expected, "{target}");
    }
    drop(primary);
    let line = open("read-write").unwrap_err().to_string();
    assert!(line.contains("is not read-write"), "{line}");
    assert!(line.contains("no server listens there"), "{line}");
    assert!(is_standby("prefer-standby"));
}
