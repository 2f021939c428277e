use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::browser::{Browser, Crowd};
use super::program::{Proxy, of_debian};
use super::{Sites, behaves, configuration, free_port, recipe, restarts_unseen};
use crate::{ended, eventually, get, send};

/// With a console, which shows HAProxy's view of the servers.
fn start(sites: &Sites) -> Option<(Proxy, TempDir)> {
    start_with(sites, &[])
}

/// In front of the first of these sites only, as the file is shipped.
pub(super) fn in_front_of_one(sites: &Sites) -> Option<(Proxy, TempDir)> {
    start_with(sites, &[("    server b ", "    #server b ")])
}

fn start_with(sites: &Sites, changes: &[(&str, &str)]) -> Option<(Proxy, TempDir)> {
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let console = folder.path().join("console");
    let port = |prefix: &str, at: usize, which: usize| {
        format!("{prefix} {}", sites.addresses[at][which].port())
    };
    let text = configuration(
        "haproxy/haproxy.cfg",
        &[
            ("bind :80\n", &format!("bind {address}\n")),
            (
                "\nglobal\n    ",
                &format!(
                    "\nglobal\n    stats socket {} level admin\n    ",
                    console.display()
                ),
            ),
            ("127.0.0.1:8080", &sites.address(0)),
            ("#server b", "server b"),
            ("127.0.0.1:8090", &sites.address(1)),
            (
                "userlist editors\n",
                "userlist editors\n    user editor insecure-password secret\n",
            ),
            ("agent-port 8082", &port("agent-port", 0, 2)),
            ("agent-port 8092", &port("agent-port", 1, 2)),
            (" port 8081", &port(" port", 0, 1)),
            (" port 8091", &port(" port", 1, 1)),
        ],
    );
    let text = changes
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to));
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    // The limit of open files on a small machine, which must be enough for the shipped file.
    let mut command = of_debian("sh");
    command.args(["-c", "ulimit -n 20000; exec haproxy -db -f \"$0\""]);
    command.arg(file);
    if !is_installed() {
        euryale_test::skip("haproxy is not installed");
        return None;
    }
    Some((Proxy::start(address, folder.path(), command)?, folder))
}

fn is_installed() -> bool {
    let version = of_debian("haproxy").arg("-v").output();
    version.is_ok_and(|output| output.status.success())
}

/// The line of a server of the backend on HAProxy's console.
#[derive(Debug)]
struct Server {
    status: String,
    weight: u32,
    /// Requests that were sent to it.
    requests: usize,
    maxconn: String,
}

fn server(folder: &Path, name: &str) -> Server {
    // The console serves only a few connections at a time.
    let mut console = None;
    eventually("the console answers", || {
        console = UnixStream::connect(folder.join("console")).ok();
        console.is_some()
    });
    let mut console = console.unwrap();
    console.write_all(b"show stat\n").unwrap();
    let mut table = String::new();
    console.read_to_string(&mut table).unwrap();
    let line = table
        .lines()
        .find(|line| line.starts_with(&format!("euryale,{name},")))
        .unwrap();
    let cells: Vec<&str> = line.split(',').collect();
    Server {
        status: cells[17].to_owned(),
        weight: cells[18].parse().unwrap(),
        requests: cells[7].parse().unwrap(),
        maxconn: cells[6].to_owned(),
    }
}

fn is_up(folder: &Path, at: usize) -> bool {
    server(folder, ["a", "b"][at]).status == "UP"
}

#[test]
fn the_site_behind_haproxy() {
    let sites = Sites::start(&[]);
    let Some((proxy, _folder)) = start(&sites) else {
        return;
    };
    behaves(&proxy, &sites);
    drop(proxy);
    sites.end();
}

/// The node has two workers. When both are busy, it is full.
#[test]
fn its_weight_follows_the_load() {
    let mut sites = Sites::start(&["--connections=2"]);
    let Some((proxy, folder)) = start(&sites) else {
        return;
    };
    let weight = |name: &str, expected: u32| {
        eventually(&format!("{name} has {expected}"), || {
            server(folder.path(), name).weight == expected
        });
    };
    weight("a", 100);
    let slow: Vec<_> = (0..2)
        .map(|_| send(sites.addresses[0][0], "/@@slow?ms=2000").unwrap())
        .collect();
    weight("a", 1);
    weight("b", 100);
    drop(slow);
    weight("a", 100);
    // A process that is about to end reports that until everything is finished.
    let slow = send(sites.addresses[0][0], "/@@slow?ms=1500").unwrap();
    sites.one(0).counts("euryale_publishers_running", 1);
    sites.one(0).signal("-TERM");
    eventually("a drains", || {
        server(folder.path(), "a").status.starts_with("DRAIN")
    });
    assert_eq!(Browser::new(&proxy).get("/guides", "").status, 200);
    drop((slow, proxy));
    // The process is already draining: a second signal would cut the remaining requests.
    assert_eq!(sites.running[0].take().unwrap().end().0, Some(0));
    sites.end();
}

/// A site with one process, and a file of the given size in bytes.
fn with_large_file(flags: &[&str], bytes: usize) -> Sites {
    let mut sites = Sites::of(0, flags);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("large.bin"), vec![7; bytes]).unwrap();
    let flags = [
        "import",
        "--data",
        sites.data().to_str().unwrap(),
        folder.path().to_str().unwrap(),
    ]
    .map(str::to_owned);
    let output = ended(&flags.each_ref().map(String::as_str));
    assert!(output.status.success(), "{output:?}");
    sites.start_one(0);
    sites
}

/// Clients that read nothing start fifty downloads at once, from one process with two workers. A
/// page that is requested right after them does not wait for them.
#[test]
fn a_page_behind_fifty_downloads_is_answered_at_once() {
    const DOWNLOADS: usize = 50;
    const AT_ONCE: Duration = Duration::from_millis(300);
    let sites = with_large_file(&["--connections=2"], 32 << 20);
    let Some((proxy, console)) = start(&sites) else {
        return;
    };
    eventually("HAProxy knows the node, and that it is alone", || {
        let is_told = !server(console.path(), "a").maxconn.is_empty();
        is_told && server(console.path(), "b").status.starts_with("DOWN")
    });
    let browser = Browser::new(&proxy);
    let maxconn = || server(console.path(), "a").maxconn;
    let known = maxconn();
    // The best of three: other tests run beside this one.
    let mut took = Vec::new();
    for _ in 0..3 {
        let downloads: Vec<_> = (0..DOWNLOADS)
            .map(|_| {
                let mut stream = browser.connect().unwrap();
                // In one piece: with two, the second one would wait for an acknowledgement.
                let head = browser.head("GET", "/large.bin", "");
                stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
                stream
            })
            .collect();
        let asked = Instant::now();
        assert_eq!(browser.get("/", "").status, 200, "{}", proxy.said());
        took.push(asked.elapsed());
        sites.one(0).counts("euryale_blobs_open", DOWNLOADS);
        for mut stream in downloads {
            let mut start = [0; 12];
            stream.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
        }
        sites.one(0).counts("euryale_blobs_open", 0);
        eventually("HAProxy knows the same as before", || maxconn() == known);
    }
    assert!(took.iter().any(|took| *took < AT_ONCE), "{took:?}");
    let report = get(sites.one(0).admin, "/-/resume").unwrap();
    assert!(
        report.contains("\"standing\":\"ready\"") && report.contains("\"read\""),
        "{report}"
    );
    drop(proxy);
    sites.end();
}

/// Clients keep the workers of one node busy directly, so HAProxy sees a node without any request.
#[test]
fn pages_go_to_the_node_with_free_workers() {
    const PAGES: usize = 300;
    let sites = Sites::start(&["--connections=2"]);
    let Some((proxy, folder)) = start(&sites) else {
        return;
    };
    let load = Crowd::ask_at(sites.addresses[0][0], 6, "/@@slow?ms=300");
    eventually("a is full", || server(folder.path(), "a").weight == 1);
    let requests = || ["a", "b"].map(|name| server(folder.path(), name).requests);
    let before = requests();
    let pages = Crowd::ask(&proxy, 2, "/history");
    pages.answered(PAGES);
    let failed = pages.end();
    let after = requests();
    let full = after[0] - before[0];
    let all = full + after[1] - before[1];
    assert!(failed.is_empty() && all >= PAGES, "{failed:?}");
    assert!(20 * full <= all, "{full} of {all}");
    assert!(load.end().is_empty());
    drop(proxy);
    sites.end();
}

/// Neither do WebSockets, which HAProxy counts among the requests that it limits.
#[test]
fn websockets_hold_nothing() {
    const SOCKETS: usize = 12;
    let sites = Sites::of(1, &["--connections=2"]);
    let Some((proxy, console)) = start(&sites) else {
        return;
    };
    eventually("the other one is not there", || {
        server(console.path(), "b").status.starts_with("DOWN")
    });
    let browser = Browser::new(&proxy);
    let mut open = Vec::new();
    for _ in 0..SOCKETS {
        let mut stream = browser.connect().unwrap();
        let host = browser.host();
        write!(
            stream,
            "GET /@@echo HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\n\
                connection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 101");
        open.push(stream);
    }
    let pages = Crowd::ask(&proxy, 4, "/history");
    pages.answered(40);
    let failed = pages.end();
    assert!(
        failed.is_empty(),
        "{:#?}\n{}",
        &failed[..failed.len().min(3)],
        proxy.said()
    );
    drop((open, proxy));
    sites.end();
}

/// Ten thousand requests, none of which fails, while one process after the other is ended and
/// restarted.
#[test]
fn restarts_are_not_seen() {
    let mut sites = Sites::start(&["--connections=4"]);
    let Some((proxy, folder)) = start(&sites) else {
        return;
    };
    restarts_unseen(&proxy, &mut sites, 2000, |at| is_up(folder.path(), at));
    drop(proxy);
    sites.end();
}

/// The effect of `option splice-response`, for the README of the folder.
#[test]
#[ignore = "a measurement: run it alone, with --nocapture"]
fn splicing_is_measured() {
    const LARGE: usize = 64 << 20;
    const DOWNLOADS: usize = 24;
    let sites = with_large_file(&[], LARGE);
    for round in 1..=2 {
        for (name, option) in [("with", "    option splice-response\n"), ("without", "")] {
            let change = [("    option splice-response\n", option)];
            let Some((proxy, _console)) = start_with(&sites, &change) else {
                return;
            };
            let browser = Browser::new(&proxy);
            let began = Instant::now();
            let used = proxy.cpu();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        (0..DOWNLOADS / 2).for_each(|_| assert_eq!(discard(&browser), LARGE));
                    });
                }
            });
            let took = began.elapsed();
            let used = proxy.cpu() - used;
            let bytes = (LARGE * DOWNLOADS) as f64 / f64::from(1 << 30);
            let wall = took.as_secs_f64() / bytes;
            let cpu = used.as_secs_f64() / bytes;
            println!("round {round}, {name} it: {wall:.2} s a GiB, {cpu:.2} s of HAProxy's CPU");
        }
    }
    sites.end();
}

/// Returns the length of the body in bytes.
fn discard(browser: &Browser) -> usize {
    let mut stream = browser.connect().unwrap();
    write!(stream, "{}\r\n", browser.head("GET", "/large.bin", "")).unwrap();
    let mut part = vec![0; 256 << 10];
    let mut count = 0;
    let mut head = 0;
    loop {
        let read = stream.read(&mut part).unwrap();
        if count == 0 {
            head = part
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .unwrap()
                + 4;
        }
        if read == 0 {
            return count - head;
        }
        count += read;
    }
}

#[test]
fn the_readme_can_be_followed() {
    recipe::follow("haproxy", "haproxy", "");
}
