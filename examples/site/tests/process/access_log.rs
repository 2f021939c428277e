//! The access log in a separate file, and the ids of requests.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::clients::{printed, run};
use super::peer::Answer;
use super::{Running, eventually};

/// A line of the Combined Log Format, parsed by its definition.
#[derive(Debug)]
struct Line {
    client: String,
    time: String,
    request: String,
    status: u16,
    bytes: Option<u64>,
    referer: String,
    agent: String,
    id: Option<String>,
}

impl Line {
    fn parse(line: &str) -> Self {
        let mut rest = line;
        let client = until(&mut rest, " - - [");
        let time = until(&mut rest, "] ");
        let request = quoted(&mut rest);
        let status = until(&mut rest, " ").parse().unwrap();
        let bytes = match until(&mut rest, " ").as_str() {
            "-" => None,
            bytes => Some(bytes.parse().unwrap()),
        };
        let referer = quoted(&mut rest);
        let agent = quoted(&mut rest);
        let id = (!rest.is_empty()).then(|| quoted(&mut rest));
        assert_eq!(rest, "", "{line}");
        Self {
            client,
            time,
            request,
            status,
            bytes,
            referer,
            agent,
            id,
        }
    }
}

fn until(rest: &mut &str, end: &str) -> String {
    let (text, after) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("no {end:?} in {rest}"));
    *rest = after;
    text.to_owned()
}

/// Up to the quote without a backslash before it, and the space after that.
fn quoted(rest: &mut &str) -> String {
    let inside = rest.strip_prefix('"').unwrap();
    let mut is_escaped = false;
    let end = inside.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let (text, after) = inside.split_at(end.unwrap());
    *rest = after[1..].trim_start();
    text.to_owned()
}

/// A site with an access log.
struct Logged {
    site: Running,
    folder: TempDir,
}

impl Logged {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = format!(
            "--access-log={}",
            folder.path().join("access.log").display()
        );
        let data = folder.path().join("data");
        let site = Running::start(&data, &[&[&*log], flags].concat());
        Self { site, folder }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("access.log")).unwrap()
    }

    /// All lines, once the last one contains this. The log itself has none of them.
    fn end(self, last: &str) -> Vec<Line> {
        eventually(last, || self.text().contains(last));
        let Self { site, folder } = self;
        let said = site.end_well();
        assert!(!said.contains("GET /"), "{said}");
        let text = fs::read_to_string(folder.path().join("access.log")).unwrap();
        text.lines().map(Line::parse).collect()
    }
}

/// Sends a head with these lines on a separate socket.
fn ask(site: &Running, head: &str) -> Answer {
    let mut peer = site.peer();
    peer.send(format!("{head}\r\nconnection: close\r\n\r\n"))
        .unwrap();
    peer.answer().unwrap()
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let lines = answer.head.lines();
    lines
        .filter_map(|line| line.split_once(": "))
        .find_map(|(field, value)| (field == name).then_some(value))
}

#[test]
fn requests_are_lines_of_the_combined_log_format() {
    let logged = Logged::start(&[]);
    let site = &logged.site;
    let host = "HTTP/1.1\r\nhost: localhost";
    let page = ask(
        site,
        &format!(
            "GET /history?a=%22b%22 {host}\r\nreferer: https://a.test/\"x\r\n\
             user-agent: a\\b\tc\u{e9}"
        ),
    );
    // The end of the stream is the end of the body.
    let coded = ask(
        site,
        "GET /history HTTP/1.0\r\nhost: localhost\r\naccept-encoding: gzip",
    );
    assert_eq!(field(&coded, "content-encoding"), Some("gzip"));
    assert_eq!(field(&coded, "content-length"), None);
    let evil = ask(site, "GET / HTTP/1.1\r\nhost: evil.example");
    let missing = ask(site, &format!("GET /nothing {host}"));
    let etag = field(&page, "etag").unwrap();
    let unchanged = ask(
        site,
        &format!("GET /history {host}\r\nif-none-match: {etag}"),
    );
    drop(site.slow(300));
    let lines = logged.end("/@@slow");
    let requests: Vec<(&str, u16, Option<u64>)> = lines
        .iter()
        .map(|line| (&*line.request, line.status, line.bytes))
        .collect();
    let bytes = |answer: &Answer| Some(answer.body.len() as u64);
    assert_eq!(unchanged.body, b"");
    let expected = [
        ("GET /history?a=%22b%22 HTTP/1.1", 200, bytes(&page)),
        ("GET /history HTTP/1.0", 200, bytes(&coded)),
        ("GET / HTTP/1.1", 421, bytes(&evil)),
        ("GET /nothing HTTP/1.1", 404, bytes(&missing)),
        ("GET /history HTTP/1.1", 304, lines[4].bytes),
        ("GET /@@slow?ms=300 HTTP/1.1", 499, None),
    ];
    assert_eq!(requests, expected);
    assert!(lines[4].bytes.is_none_or(|bytes| bytes == 0));
    let first = &lines[0];
    assert_eq!(first.client, "127.0.0.1");
    assert_eq!(first.referer, r#"https://a.test/\"x"#);
    assert_eq!(first.agent, r"a\\b\tc\xc3\xa9");
    assert_eq!((lines[1].referer.as_str(), &first.id), ("-", &None));
    let digit_or_letter = |c: char| match c {
        '0'..='9' => '0',
        'a'..='z' | 'A'..='Z' => 'a',
        other => other,
    };
    let shape: String = first.time.chars().map(digit_or_letter).collect();
    assert_eq!(shape, "00/aaa/0000:00:00:00 +0000");
}

/// Drains while a request holds a worker for longer than the drain lasts.
fn cut(site: Running) -> String {
    let slow = site.slow(60_000);
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    drop(slow);
    said
}

#[test]
fn request_that_the_drain_cuts_is_not_logged_as_given_up_by_its_client() {
    let folder = tempfile::tempdir().unwrap();
    let start = |flags: &[&str]| {
        let flags = [&["--drain=200ms"], flags].concat();
        Running::start(&folder.path().join("data"), &flags)
    };
    let said = cut(start(&[]));
    assert!(
        said.contains(": GET /@@slow?ms=60000 cut=true ms="),
        "{said}"
    );
    assert!(!said.contains("gone=true"), "{said}");

    let said = cut(start(&["--log-format=json"]));
    let line = said.lines().find(|line| line.contains("\"uri\":\"/@@slow"));
    let line: serde_json::Value = serde_json::from_str(line.expect(&said)).unwrap();
    assert_eq!(
        (&line["message"], &line["cut"]),
        (&"cut".into(), &true.into())
    );
    assert_eq!(line.get("gone"), None, "{line}");

    let log = folder.path().join("access.log");
    cut(start(&[&format!("--access-log={}", log.display())]));
    let text = fs::read_to_string(log).unwrap();
    let line = Line::parse(text.lines().last().unwrap());
    assert_eq!((line.status, line.bytes), (444, None), "{text}");
}

/// A page has one name in the log, whatever the version of HTTP.
#[test]
fn page_over_http_2_has_the_same_address_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let url = format!("http://{}/history?over=2", site.public[0]);
    let version = ["-o", "/dev/null", "-w", "%{http_version}"];
    let flags = [&["-sS", "--http2-prior-knowledge"], &version[..], &[&url]].concat();
    let Some(output) = run("curl", &flags) else {
        return;
    };
    assert_eq!(printed(output), "2");
    let said = site.end_well();
    assert!(said.contains(": GET /history?over=2 status=200"), "{said}");
}

/// Sends a request with this id, and returns the id of the answer.
fn identified(site: &Running, id: &str) -> String {
    let head = format!("GET /history HTTP/1.1\r\nhost: localhost\r\nx-request-id: {id}");
    let answer = ask(site, &head);
    field(&answer, "x-request-id").unwrap().to_owned()
}

fn is_made(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn id_of_a_trusted_proxy_is_kept_and_an_invalid_one_is_replaced() {
    let logged = Logged::start(&["--request-id", "--trusted-proxy=127.0.0.1"]);
    let kept = identified(&logged.site, "from-a.proxy:1");
    assert_eq!(kept, "from-a.proxy:1");
    let replaced = identified(&logged.site, "not \"valid\"");
    assert!(is_made(&replaced), "{replaced}");
    let lines = logged.end(&replaced);
    let ids: Vec<Option<String>> = lines.into_iter().map(|line| line.id).collect();
    assert_eq!(ids, [Some(kept), Some(replaced)]);
}

#[test]
fn id_of_a_peer_that_is_not_trusted_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--request-id", "--log-format=json"]);
    let made = identified(&site, "from-a.proxy:1");
    let other = identified(&site, &made);
    assert!(is_made(&made) && is_made(&other) && other != made);
    let said = site.end_well();
    let ids: Vec<String> = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["message"] == "answered")
        .map(|line| line["span"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, [made, other]);
}

/// Lines that a publisher logs in its worker have the id too, even if only errors are logged.
#[test]
fn all_lines_of_a_request_have_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--request-id", "--log-filter=error"]);
    fs::write(largest(&folder.path().join("blobs")), "cut").unwrap();
    let host = "HTTP/1.1\r\nhost: localhost";
    let answer = ask(&site, &format!("GET /pictures/chord.wav {host}"));
    assert_eq!(answer.status, 500);
    let id = field(&answer, "x-request-id").unwrap().to_owned();
    let said = site.end_well();
    let span = format!("ERROR request{{id={id}}}: ");
    assert!(said.contains(&span), "{said}");
}

fn largest(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let size = |path: &PathBuf| path.metadata().unwrap().len();
    files.into_iter().max_by_key(size).unwrap()
}

#[test]
fn requests_have_no_id_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[]);
    let head = "GET /history HTTP/1.1\r\nhost: localhost\r\nx-request-id: a";
    let answer = ask(&site, head);
    assert_eq!(field(&answer, "x-request-id"), None);
    let said = site.end_well();
    assert!(!said.contains("request{"), "{said}");
}
