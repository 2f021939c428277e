//! A process with few descriptors.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use euryale_test::H2Client;

use super::agent::check;
use super::console::give;
use super::peer::{Peer, upload};
use super::stalled::imported;
use super::{Running, eventually};

const LIMIT: usize = 256;

/// The maximum wait of an operator on a quiet machine: five times the promised time.
const AT_ONCE: Duration = Duration::from_millis(250);

fn site_with_few(data: &Path) -> Running {
    let shell = format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"");
    Running::start_in(&shell, data, &[])
}

impl Running {
    /// Operators are always answered, and quickly, as far as other work on this machine permits.
    fn answers_operators(&self) {
        for path in ["/livez", "/metrics", "/status"] {
            let ask = |_| {
                let asked = Instant::now();
                let answer = Peer::connect(self.admin).unwrap().get(path).unwrap();
                assert_eq!(answer.status, 200, "{path}");
                asked.elapsed()
            };
            let fastest = (0..5).map(ask).min().unwrap();
            assert!(fastest < AT_ONCE, "{path}: {fastest:?}");
        }
    }

    /// Sockets that start a request and then send nothing, more than there are descriptors: the
    /// site has to wait for each one that it admits.
    fn crowd(&self) -> Vec<TcpStream> {
        let come = |_| {
            let mut socket = TcpStream::connect(self.public[0]).unwrap();
            socket
                .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n")
                .unwrap();
            socket
        };
        let crowd = (0..2 * LIMIT).map(come).collect();
        eventually("new sockets wait", || {
            self.said().contains("new peers wait")
        });
        crowd
    }
}

#[test]
fn sockets_leave_pages_uploads_and_operators_their_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let site = site_with_few(folder.path());
    let mut peer = site.peer();
    // A page that needs a worker but no database.
    assert_eq!(peer.get("/@@slow?ms=0").unwrap().status, 200);
    assert_eq!(site.metric("euryale_connections_opened_total"), 0);
    let crowd = site.crowd();
    site.answers_operators();
    for _ in 0..20 {
        assert_eq!(peer.get("/history").unwrap().status, 200);
    }
    let count = peer.ask("POST", "/@@counter", "").unwrap();
    assert_eq!(count.text().trim(), "1");
    // Larger than the memory for a body.
    let large = upload("large.bin", &vec![b'a'; 2 << 20]);
    peer.send(large).unwrap();
    assert_eq!(peer.answer().unwrap().status, 201);

    drop(crowd);
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "2");
    site.counts("euryale_descriptors_in_use", 0);
    let said = site.end_well();
    let line = "INFO site::descriptors: the defaults are lowered to what fits below the limit";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert!(!said.contains("WARN site::descriptors"), "{said}");
    assert!(!said.contains("Too many open files"), "{said}");
}

#[test]
fn crowd_of_operators_leaves_agent_and_console_of_a_parent_their_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let shell = format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"");
    let console = super::console::flag(folder.path());
    let flags = ["--processes=2", "--agent=127.0.0.1:0", &console];
    let site = Running::start_in(&shell, &folder.path().join("data"), &flags);
    let connect = |_| TcpStream::connect(site.admin).unwrap();
    let crowd: Vec<_> = (0..2 * LIMIT).map(connect).collect();
    // The parent asks its processes ten times a second, so it may not know yet that they are ready.
    eventually("the agent is up", || {
        check(site.agent.unwrap()).starts_with("up ")
    });
    for _ in 0..20 {
        let line = check(site.agent.unwrap());
        assert!(line.starts_with("up ready "), "{line}");
        let status = give(&console, &["status"]);
        assert_eq!(status.matches("ready: yes").count(), 2, "{status}");
    }
    drop(crowd);
    let said = site.end_well();
    assert!(!said.contains("Too many open files"), "{said}");
}

#[test]
fn number_that_was_set_and_does_not_fit_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let shell = format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"");
    let site = Running::start_in(&shell, folder.path(), &["--max-sockets=1000"]);
    let said = site.end_well();
    assert!(
        said.contains("need more descriptors than this process may have (256)"),
        "{said}"
    );
    let site = Running::start_in(&shell, folder.path(), &["--max-sockets=100"]);
    let said = site.end_well();
    assert!(said.contains("max_sockets=100 max_files="), "{said}");
    assert!(!said.contains("WARN"), "{said}");
}

#[test]
fn files_of_http2_leave_pages_and_operators_their_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let site = site_with_few(&imported(folder.path()));
    let cap = site.metric("euryale_descriptors_cap");
    let address = site.public[0];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let crowd = runtime.block_on(async {
        let mut crowd = Vec::new();
        for _ in 0..4 {
            let mut client = H2Client::with_windows(address, 0, 65_535).await.unwrap();
            let mut heads = Vec::new();
            for _ in 0..60 {
                heads.push(client.open("/large.bin").await.unwrap().0);
            }
            crowd.push((client, heads));
        }
        crowd
    });
    eventually("files are refused", || {
        site.metric("euryale_descriptors_refused_total") > 0
            && site.metric("euryale_descriptors_in_use") == cap
    });
    site.answers_operators();
    let mut peer = site.peer();
    assert_eq!(peer.get("/@@counter").unwrap().status, 200);
    assert!(peer.get("/large.bin").unwrap().is_try_again());

    drop(crowd);
    drop(runtime);
    site.counts("euryale_descriptors_in_use", 0);
    site.counts("euryale_blobs_open", 0);
    assert_eq!(site.metric("euryale_descriptors_in_use_peak"), cap);
    let said = site.end_well();
    assert!(said.contains("as many files open as they may"), "{said}");
    assert!(!said.contains("Too many open files"), "{said}");
}
