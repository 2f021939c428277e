//! SIGHUP: the whole configuration is read again, and no connection is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::peer::Peer;
use super::{Running, eventually, get, program, rest};

/// A site with a file of settings.
struct Configured {
    site: Running,
    file: PathBuf,
    _folder: TempDir,
}

impl Configured {
    fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.toml");
        fs::write(&file, settings).unwrap();
        let config = format!("--config={}", file.display());
        let site = Running::start(&folder.path().join("data"), &[&config]);
        Self {
            site,
            file,
            _folder: folder,
        }
    }

    /// Writes other settings and sends a signal. Returns the log line about the result.
    fn reload(&self, settings: &str) -> String {
        fs::write(&self.file, settings).unwrap();
        let before = self.site.said().len();
        let new = || self.site.said()[before..].to_owned();
        self.site.signal("-HUP");
        eventually("it says so", || new().contains("reloaded"));
        new()
    }
}

/// A request with the fields of a proxy.
fn page(site: &Running, host: &str) -> Peer {
    let mut peer = site.peer();
    let head = format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\nx-forwarded-prefix: /app\r\naccept: text/html\r\n\r\n"
    );
    peer.send(head).unwrap();
    peer
}

#[test]
fn settings_change_while_requests_are_under_way() {
    let configured = Configured::start("connections = 2\n");
    let site = &configured.site;
    let mut old = site.peer();
    assert_eq!(old.get("/history").unwrap().status, 200);
    let mut first = page(site, "localhost");
    let answer = first.answer().unwrap();
    assert!(
        answer.text().contains("href=\"/guides\"") && !answer.text().contains("masthead"),
        "{answer:?}"
    );
    let slow = site.slow(700);
    let said = configured.reload(
        "connections = 3\nmax-queue = 7\ntheme = \"gazette\"\ntrusted-proxy = [\"127.0.0.1\"]\n\
         host = [\"test\", \"localhost\"]\nallow-writes = true\nmax-upload = \"2K\"\n\
         max-headers = 4\n",
    );
    let changed = "reloaded changed=\"allow-writes, connections, host, max-headers, max-queue, \
        max-upload, theme, trusted-proxy\"";
    assert!(
        said.contains(changed) && !said.contains("next start"),
        "{said}"
    );
    site.counts("euryale_connections_cap", 3);
    // Now the proxy's fields are trusted, and the pages look different, even on an open socket.
    let answer = page(site, "test").answer().unwrap();
    assert!(
        answer.text().contains("href=\"/app/guides\"") && answer.text().contains("masthead"),
        "{answer:?}"
    );
    assert!(
        get(site.admin, "/status.json")
            .unwrap()
            .contains("\"gazette\""),
        "operators see which theme it is"
    );
    assert_eq!(page(site, "evil.example").answer().unwrap().status, 421);
    old.send("GET / HTTP/1.1\r\nhost: evil.example\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\n\r\n")
        .unwrap();
    assert_eq!(
        old.answer().unwrap().status,
        421,
        "an open socket has the old number of fields"
    );
    let mut new = site.peer();
    new.send("GET / HTTP/1.1\r\nhost: localhost\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\n\r\n")
        .unwrap();
    assert_eq!(new.answer().unwrap().status, 431);
    assert_eq!(site.upload("large.bin", &[7; 4 << 10]).status, 413);
    // Requests in flight are completed.
    assert!(rest(slow).unwrap().ends_with("worked for 700 ms\n"));
    // And back.
    let said = configured.reload("connections = 2\n");
    assert!(
        said.contains("reloaded changed=\"allow-writes, connections, host"),
        "{said}"
    );
    assert!(
        page(site, "localhost")
            .answer()
            .unwrap()
            .text()
            .contains("href=\"/guides\"")
    );
    let said = configured.reload("connections = 2\n");
    assert!(
        said.contains("reloaded: no setting") && !said.contains("changed="),
        "{said}"
    );
    let Configured { site, .. } = configured;
    site.end_well();
}

#[test]
fn settings_that_need_a_restart_are_named_each_time() {
    let configured = Configured::start("drain = \"30s\"\n");
    let said =
        configured.reload("drain = \"20s\"\nlisten = [\"127.0.0.1:1\"]\nidle-timeout = \"70s\"\n");
    // Its address is set by a flag of this test, which overrides the file.
    assert!(said.contains("reloaded changed=\"idle-timeout\""), "{said}");
    eventually("it is named", || {
        configured
            .site
            .said()
            .contains("these take effect at the next start settings=\"drain\"")
    });
    configured.reload("drain = \"20s\"\nunix-mode = \"600\"\n");
    let line = "these take effect at the next start settings=\"drain, unix-mode\"";
    eventually("both are named", || configured.site.said().contains(line));
    configured.site.end_well();
}

#[test]
fn the_filter_of_the_log_changes() {
    let configured = Configured::start("log-filter = \"info\"\n");
    let site = &configured.site;
    get(site.public[0], "/history?seen").unwrap();
    eventually("a line", || site.said().contains("GET /history?seen"));
    configured.reload("log-filter = \"info,site::access_log=off\"\n");
    get(site.public[0], "/history?hidden").unwrap();
    configured.reload("");
    get(site.public[0], "/history?again").unwrap();
    let said = configured.site.end_well();
    assert!(
        said.contains("/history?again") && !said.contains("/history?hidden"),
        "{said}"
    );
}

/// All or nothing: if one setting is wrong, none of the others is applied.
#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let configured = Configured::start("connections = 2\n");
    let site = &configured.site;
    let missing = Path::new("/does/not/exist");
    for (number, wrong) in [
        "nonsense = 1\n".to_owned(),
        "max-queue = 0\n".to_owned(),
        "connections =\n".to_owned(),
        "log-filter = \"a=b=c\"\n".to_owned(),
        format!("theme = {missing:?}\n"),
        format!("tls-cert = {missing:?}\ntls-key = {missing:?}\n"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(
            &configured.file,
            format!("connections = 3\nhost = [\"other\"]\n{wrong}"),
        )
        .unwrap();
        site.signal("-HUP");
        let lines = || site.said().matches("ERROR").count();
        eventually(&format!("it is refused: {wrong}"), || lines() == number + 1);
        assert!(
            site.said()
                .contains("not reloaded, and nothing is changed: "),
            "{}",
            site.said()
        );
        assert_eq!(site.metric("euryale_connections_cap"), 2, "{wrong}");
        assert!(
            get(site.public[0], "/history")
                .unwrap()
                .starts_with("HTTP/1.1 200"),
            "{wrong}"
        );
    }
    configured.site.end_well();
}

/// A file that cannot be read, as on a mount that hangs: the reader of a pipe waits for data that
/// nobody writes.
#[test]
fn site_ends_while_a_file_hangs() {
    let configured = Configured::start("connections = 2\n");
    let site = &configured.site;
    fs::remove_file(&configured.file).unwrap();
    assert!(
        program("mkfifo")
            .arg(&configured.file)
            .status()
            .unwrap()
            .success()
    );
    site.signal("-HUP");
    // Returns as soon as the site reads.
    let pipe = fs::OpenOptions::new()
        .write(true)
        .open(&configured.file)
        .unwrap();
    assert!(
        get(site.public[0], "/history")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    configured.site.end_well();
    drop(pipe);
}
