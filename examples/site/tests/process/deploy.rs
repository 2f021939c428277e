//! The configurations in `deploy/`, each with the real program, in front of two processes of the
//! site.

mod apache;
mod browser;
mod caddy;
mod haproxy;
mod lighttpd;
mod nginx;
mod program;
mod recipe;
mod rolls;
mod syntax;
mod varnish;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use self::browser::Browser;
use self::program::Proxy;
use super::{Running, eventually, get};

/// Flags that the tests of all recipes need beyond the README: they write, and they use the
/// demonstrations.
const OPEN: [&str; 4] = [
    "--trusted-proxy=127.0.0.1",
    "--max-upload=1M",
    "--allow-writes",
    "--demo",
];

/// An address with a free port.
pub(crate) fn free_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, euryale_test::free_port()).into()
}

/// The file in `deploy/`, with each of `changes` made.
pub(crate) fn configuration(name: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name);
    let text = fs::read_to_string(&path).unwrap();
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{} has no {from}", path.display());
        text.replace(from, to)
    })
}

/// The header of an editor with the name `editor` and the password `secret` (RFC 7617).
pub(crate) const LOGIN: &str = "authorization: Basic ZWRpdG9yOnNlY3JldA==\r\n";

/// The password file of this editor, as made by `openssl passwd -apr1`.
fn editors(folder: &Path) -> String {
    let file = folder.join("editors");
    fs::write(&file, "editor:$apr1$euryale1$eQ0AQPlovZA3drag0Fdz91\n").unwrap();
    file.into_os_string().into_string().unwrap()
}

/// Two processes of the site on the same data, with addresses that do not change when they restart.
struct Sites {
    folder: TempDir,
    flags: Vec<String>,
    running: [Option<Running>; 2],
    /// For each process: the public address, the operators' address and the agent's.
    addresses: [[SocketAddr; 3]; 2],
}

impl Sites {
    fn start(flags: &[&str]) -> Self {
        Self::of(2, flags)
    }

    /// Only the first `number` of them run.
    fn of(number: usize, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A proxy that runs as another user reads files in it.
        fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let flags = OPEN.iter().chain(flags);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut sites = Self {
            folder,
            flags: flags.map(|flag| (*flag).to_owned()).collect(),
            running: [None, None],
            addresses: [[nowhere; 3]; 2],
        };
        (0..number).for_each(|at| sites.start_one(at));
        sites
    }

    fn start_one(&mut self, at: usize) {
        let flags = [
            self.flags.iter().map(String::as_str).collect(),
            vec!["--agent=127.0.0.1:0"],
        ]
        .concat();
        let running = Running::start(&self.data(), &flags);
        self.addresses[at] = [running.public[0], running.admin, running.agent.unwrap()];
        self.running[at] = Some(running);
    }

    fn one(&self, at: usize) -> &Running {
        self.running[at].as_ref().unwrap()
    }

    /// The change that adds the second server to a recipe, if there is a second site.
    fn second<'a>(&self, from: &'a str, to: &'a str) -> (&'a str, &'a str) {
        match self.running[1] {
            Some(_) => (from, to),
            None => (from, from),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn address(&self, at: usize) -> String {
        self.addresses[at][0].to_string()
    }

    /// Ends one as its supervisor would, and starts it again.
    fn restart(&mut self, at: usize) {
        self.running[at].take().unwrap().end_well();
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.running[at] = Some(Running::start_at(self.addresses[at], &self.data(), &flags));
    }

    fn offloaded(&self) -> u64 {
        let count = |site: &Running| {
            let metrics = get(site.admin, "/metrics").unwrap();
            let name = "euryale_blobs_total{path=\"offload\"} ";
            let value = metrics
                .split(name)
                .nth(1)
                .and_then(|rest| rest.lines().next())
                .unwrap()
                .to_owned();
            value.parse::<u64>().unwrap()
        };
        self.running.iter().flatten().map(count).sum()
    }

    fn end(mut self) {
        for running in &mut self.running {
            running
                .take()
                .into_iter()
                .for_each(|site| drop(site.end_well()));
        }
    }
}

/// Assertions that hold behind every proxy.
fn behaves(proxy: &Proxy, sites: &Sites) {
    tells_who_and_where(proxy);
    tells_the_port_of_the_client(proxy);
    leads_into_the_mount(proxy);
    has_links_and_redirects(proxy);
    refuses_a_large_upload(proxy);
    sends_parts_of_files(proxy, sites);
    passes_websockets(proxy);
}

/// Fields that a client might send to be trusted.
const FORGED: &str = "x-forwarded-for: 6.6.6.6\r\nx-forwarded-host: evil.test\r\n\
    x-forwarded-proto: https\r\n\
    x-forwarded-port: 666\r\nx-forwarded-prefix: /evil\r\n\
    forwarded: for=6.6.6.6;host=evil.test;proto=https\r\n\
    x-real-ip: 6.6.6.6\r\nx-sendfile-type: X-Lighttpd-Send-File\r\nx-accel-mapping: /=/\r\n";

fn tells_who_and_where(proxy: &Proxy) {
    let browser = Browser::new(proxy);
    let public = format!("http://{}", browser.host());
    for (prefix, path) in [("", "/"), ("/app", "/app")] {
        for forged in ["", FORGED] {
            let answer = browser.get(&format!("{prefix}/@@visitor"), forged);
            assert_eq!(answer.status, 200, "{answer:?}");
            let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let expected = serde_json::json!({
                "client": "127.0.0.2",
                "site": format!("{public}{prefix}/"),
                "here": format!("{public}{prefix}/@@visitor"),
                "visits": 1,
            });
            assert_eq!(seen, expected, "{forged}");
            let cookie = format!("visits=1; Path={path}; HttpOnly; SameSite=Lax");
            assert_eq!(answer.header("set-cookie"), Some(&*cookie));
        }
    }
}

/// A client that names no port means the default one, even if the proxy listens on another, mapped
/// port.
fn tells_the_port_of_the_client(proxy: &Proxy) {
    let browser = Browser::new(proxy).calling("example.org");
    for prefix in ["", "/app"] {
        let answer = browser.get(&format!("{prefix}/@@visitor"), "");
        let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen["site"], format!("http://example.org{prefix}/"));
    }
}

/// The address of the mount without its slash is a redirect.
fn leads_into_the_mount(proxy: &Proxy) {
    let browser = Browser::new(proxy).calling("example.org");
    let moved = browser.get("/app", "");
    let location = moved.header("location").unwrap_or_default();
    let path = location
        .strip_prefix("http://example.org")
        .unwrap_or(location);
    assert_eq!((moved.status, path), (308, "/app/"), "{moved:?}");
}

fn has_links_and_redirects(proxy: &Proxy) {
    let browser = Browser::new(proxy);
    for prefix in ["", "/app"] {
        let page = browser
            .get(&format!("{prefix}/"), "accept: text/html\r\n")
            .text();
        assert!(
            page.contains(&format!("href=\"{prefix}/guides\"")),
            "{page}"
        );
        let others = page
            .split(" href=\"/")
            .skip(1)
            .filter(|link| !format!("/{link}").starts_with(prefix));
        assert_eq!(others.count(), 0, "{page}");
        let style = page
            .split("rel=\"stylesheet\" href=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(browser.get(style, "").status, 200, "{style}");
        let moved = browser.get(&format!("{prefix}/guides/?x=1"), "");
        let location = moved.header("location").unwrap_or_default();
        let location = location
            .strip_prefix(&format!("http://{}", browser.host()))
            .unwrap_or(location);
        assert_eq!(
            (moved.status, location),
            (308, &*format!("{prefix}/guides?x=1"))
        );
    }
}

/// Three megabytes where one is allowed: the refusal gives the reason, and the client receives it.
fn refuses_a_large_upload(proxy: &Proxy) {
    let browser = Browser::new(proxy);
    let head = "content-type: multipart/form-data; boundary=b\r\naccept: text/html\r\n";
    for _ in 0..3 {
        let mut body =
            b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
                .to_vec();
        body.resize(3 << 20, b'x');
        let answer = browser.post("/app/", head, &body);
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    // A file within the limit is accepted, and its address is the one that the browser sees.
    let mut body =
        b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\r\n"
            .to_vec();
    body.resize(500 << 10, b'x');
    body.extend(b"\r\n--b--\r\n");
    let answer = browser.post(
        "/app/",
        "content-type: multipart/form-data; boundary=b\r\n",
        &body,
    );
    assert_eq!(
        (answer.status, answer.header("location")),
        (201, Some("/app/f.bin")),
        "{answer:?}\n{}",
        proxy.said()
    );
}

const FILE: &str = "/pictures/chord.wav";

fn sends_parts_of_files(proxy: &Proxy, sites: &Sites) {
    let browser = Browser::new(proxy);
    let direct = Browser::at(sites.addresses[0][0]).get(FILE, "");
    assert!(direct.status == 200 && direct.body.len() > 100_000);
    for prefix in ["", "/app"] {
        let whole = browser.get(&format!("{prefix}{FILE}"), FORGED);
        assert_eq!(
            (whole.status, whole.body == direct.body),
            (200, true),
            "{:?}",
            whole.headers
        );
        assert_eq!(whole.header("content-type"), direct.header("content-type"));
        assert_eq!(
            whole
                .header("x-sendfile")
                .or(whole.header("x-accel-redirect")),
            None
        );
        let part = browser.get(&format!("{prefix}{FILE}"), "range: bytes=1000-1999\r\n");
        assert_eq!(
            (part.status, part.body == direct.body[1000..2000]),
            (206, true),
            "{:?}",
            part.headers
        );
        let head = browser.ask("HEAD", &format!("{prefix}{FILE}"), "", b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
}

/// A message to the site and back (RFC 6455 §1.3, §5.7), from a page of the same host.
fn passes_websockets(proxy: &Proxy) {
    let browser = Browser::new(proxy);
    let host = browser.host();
    for prefix in ["", "/app"] {
        let mut stream = browser.connect().unwrap();
        let head = format!(
            "GET {prefix}/@@echo HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\n\
                connection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        // "Hello", masked, as the RFC has it.
        stream
            .write_all(&[
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
            ])
            .unwrap();
        let mut frame = [0; 7];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(&frame, b"\x81\x05Hello");
    }
}

/// One process after the other is ended and started again while clients send requests, and every
/// request is answered. Each restart comes after this number of `requests`, and the next one waits
/// until the proxy knows that the process is back.
fn restarts_unseen(
    proxy: &Proxy,
    sites: &mut Sites,
    requests: usize,
    is_back: impl Fn(usize) -> bool,
) {
    let clients = browser::Crowd::ask(proxy, 8, "/@@slow?ms=1");
    for at in [0, 1, 0, 1] {
        clients.answered(requests);
        sites.restart(at);
        eventually("it is back", || is_back(at));
    }
    clients.answered(requests);
    let asked = clients.count();
    let failed = clients.end();
    let first = &failed[..failed.len().min(3)];
    assert!(
        asked >= 5 * requests && failed.is_empty(),
        "{} of {asked}: {first:#?}\n{}",
        failed.len(),
        proxy.said()
    );
}

/// The proxy sends the file itself.
fn offloads(proxy: &Proxy, sites: &Sites) {
    let before = sites.offloaded();
    let browser = Browser::new(proxy);
    assert_eq!(browser.get(FILE, "").status, 200);
    assert_eq!(browser.get(FILE, "range: bytes=0-9\r\n").body.len(), 10);
    assert_eq!(sites.offloaded(), before + 2, "{}", proxy.said());
    // A file that could hold a script is sent with its policy.
    let drawing = browser.get("/pictures/onion.svg", "");
    assert!(
        drawing
            .header("content-security-policy")
            .is_some_and(|policy| policy.contains("sandbox"))
    );
}
