//! The status page, in a browser.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::browser::Browser;
use super::{PATIENCE, Running, eventually, get, rest};

/// Reports the content of the page each time it changes. The script has the page's own origin,
/// because the page's policy permits no other.
const WATCH: &str = "
let last;
function look() {
    const text = id => document.getElementById(id).textContent;
    const route = document.querySelector('#held .route')?.textContent ?? 'none';
    const now = [text('live'), text('state'), text('workers-running'), \
    route].map(encodeURIComponent).join('/');
    if (now !== last) fetch('/said/' + (last = now));
}
new MutationObserver(look).observe(document.body, { childList: true, characterData: true, \
subtree: true });
look();
";

/// The operators' address with `WATCH` on its page, or in a browser without scripts.
struct Beside {
    listener: TcpListener,
    admin: SocketAddr,
    scripts: bool,
    said: (Sender<String>, Receiver<String>),
}

impl Beside {
    fn new(admin: SocketAddr, scripts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            admin,
            scripts,
            said: channel(),
        }
    }

    fn page(&self) -> String {
        format!("http://{}/status", self.listener.local_addr().unwrap())
    }

    /// Serves until the page shows this.
    fn shows(&self, expected: &str) {
        eventually(expected, || {
            self.serve();
            // The following bytes are for the next call.
            self.said.1.try_iter().any(|said| said == expected)
        });
    }

    /// Each socket has a thread: a browser also opens some that it then does not need.
    fn serve(&self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let admin = self.admin;
            let scripts = self.scripts;
            let tell = self.said.0.clone();
            // Anything that the page does not receive, it cannot show.
            std::thread::spawn(move || answer(stream, admin, scripts, &tell));
        }
    }
}

/// One request. The page's reports go to `tell`; everything else is passed to the operators'
/// address.
fn answer(
    mut stream: TcpStream,
    admin: SocketAddr,
    scripts: bool,
    tell: &Sender<String>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?)
        .lines()
        .map_while(Result::ok);
    let Some(first) = lines.next() else {
        return Ok(());
    };
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let ok = |kind: &str, text: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{text}")
    };
    if let Some(said) = path.strip_prefix("/said/") {
        let said = said
            .replace("%20", " ")
            .replace("%2F", "/")
            .replace("%40", "@")
            .replace("%3A", ":");
        // The receiver is gone when the test has ended.
        let _ = tell.send(said);
        return stream.write_all(ok("text/plain", "").as_bytes());
    }
    match path {
        "/watch.js" => stream.write_all(ok("text/javascript", WATCH).as_bytes()),
        "/status" => {
            let page = get(admin, "/status")?;
            let (head, page) = page.split_once("\r\n\r\n").unwrap_or_default();
            // The length has changed; the policy is that of the page.
            let mut head: Vec<&str> = head
                .lines()
                .filter(|line| !line.starts_with("content-length"))
                .collect();
            let page = if scripts {
                page.replace(
                    "</body>",
                    "<script src=watch.js type=module></script></body>",
                )
            } else {
                // A switch of the browser would also do, but then it does not report its content.
                head.push("content-security-policy: sandbox allow-same-origin");
                page.to_owned()
            };
            stream.write_all(format!("{}\r\n\r\n{page}", head.join("\r\n")).as_bytes())
        }
        // Events do not end for now.
        path => io::copy(&mut super::send(admin, path)?, &mut stream).map(drop),
    }
}

#[test]
fn status_page_follows_the_load_until_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &["--drain=30s"]);
    let beside = Beside::new(site.admin, true);
    let Some(browser) = Browser::open(folder.path(), &beside.page(), &[]) else {
        return;
    };
    beside.shows("Live/ready/0/none");
    let slow = site.slow(3_000);
    beside.shows("Live/ready/1//@@slow");
    assert!(rest(slow).unwrap().ends_with("worked for 3000 ms\n"));
    beside.shows("Live/ready/0/none");
    let slow = site.slow(3_000);
    site.signal("-TERM");
    beside.shows("The drain has begun: these are the last numbers/draining/1//@@slow");
    assert!(rest(slow).unwrap().ends_with("worked for 3000 ms\n"));
    drop(browser);
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
}

const RULES: &str = "<rules xmlns='http://namespaces.plone.org/diazo' \
    xmlns:css='http://namespaces.plone.org/diazo/css'>\n<theme href='theme.html'/>\n</rules>";

/// Broken while the site runs, and then repaired.
#[test]
fn a_broken_theme_is_an_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let theme = folder.path().join("theme");
    std::fs::create_dir(&theme).unwrap();
    let write = |name: &str, text: &str| std::fs::write(theme.join(name), text).unwrap();
    write("rules.xml", RULES);
    write("theme.html", "<h1>Themed</h1>");
    let site = Running::start(
        &folder.path().join("data"),
        &["--drain=50ms", &format!("--theme={}", theme.display())],
    );
    let shown = |path: &str| get(site.admin, path).unwrap();
    let facts = || {
        let json = shown("/status.json");
        let json: serde_json::Value =
            serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
        json["facts"].as_array().unwrap().clone()
    };
    let name = theme.display().to_string();
    let page = shown("/status");
    let all = facts();
    assert!(
        page.contains(">Theme<") && page.contains(&name) && !page.contains("class=alarm"),
        "{page}"
    );
    assert_eq!(
        (all.len(), &all[0]["value"], &all[0]["alarm"]),
        (1, &name.clone().into(), &false.into())
    );
    assert!(
        get(site.public[0], "/")
            .unwrap()
            .contains("<h1>Themed</h1>")
    );

    write(
        "rules.xml",
        &RULES.replace("</rules>", "<replace css:theme='['/>\n</rules>"),
    );
    let error = "rules.xml:3: the selector \"[\" is not understood";
    eventually("the alarm", || {
        facts().iter().any(|fact| fact["alarm"] == true)
    });
    let alarm = facts()
        .into_iter()
        .find(|fact| fact["alarm"] == true)
        .unwrap();
    assert!(alarm["value"].as_str().unwrap().contains(error), "{alarm}");
    let page = shown("/status");
    assert!(
        page.contains("class=alarm") && page.contains(&error.replace('"', "&quot;")),
        "{page}"
    );
    let served = get(site.public[0], "/").unwrap();
    assert!(
        served.starts_with("HTTP/1.1 200") && !served.contains("<h1>Themed</h1>"),
        "{served}"
    );

    write(
        "rules.xml",
        &RULES.replace("</rules>", "<drop css:theme='#nowhere'/>\n</rules>"),
    );
    eventually("no alarm", || {
        facts().iter().all(|fact| fact["alarm"] == false)
    });
    let warning = facts().pop().unwrap();
    assert!(
        warning["value"]
            .as_str()
            .unwrap()
            .contains("rules.xml:3: the theme has nothing"),
        "{warning}"
    );
    assert!(
        get(site.public[0], "/")
            .unwrap()
            .contains("<h1>Themed</h1>")
    );
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(&error.replace('"', "\\\"")) || said.contains(error),
        "{said}"
    );
}

/// Which finished requests were slow, and where.
#[test]
fn slowest_requests_are_named_with_where_their_time_went() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--connections=1"]);
    let slow = site.slow(300);
    let queued = super::send(site.public[0], "/history?not-said").unwrap();
    site.counts("euryale_queue_depth", 1);
    assert!(rest(slow).unwrap().ends_with("worked for 300 ms\n") && rest(queued).is_ok());
    rest(super::send(site.public[0], "/@@promises?n=1&ms=200").unwrap()).unwrap();
    let gone = site.slow(400);
    gone.shutdown(std::net::Shutdown::Both).unwrap();
    site.counts("euryale_publishers_running", 0);
    let mut slowest = Vec::new();
    eventually("they are listed", || {
        let answer = get(site.admin, "/status.json").unwrap();
        let json: serde_json::Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        slowest = json["slowest"].as_array().unwrap().clone();
        slowest.len() == 4
    });
    let took = |entry: &serde_json::Value| entry["took_seconds"].as_f64().unwrap();
    assert!(
        slowest.is_sorted_by(|one, other| took(one) >= took(other)),
        "{slowest:#?}"
    );
    let of = |route: &str, answered: bool| {
        let is = |entry: &&serde_json::Value| {
            entry["route"] == route && entry["status"].is_u64() == answered
        };
        slowest
            .iter()
            .find(is)
            .unwrap_or_else(|| panic!("{route}: {slowest:#?}"))
    };
    let stage =
        |entry: &serde_json::Value, name: &str| entry["stage_seconds"][name].as_f64().unwrap();
    let slow = of("/@@slow", true);
    assert!(
        stage(slow, "working") >= 0.3 && stage(slow, "working") <= took(slow),
        "{slow}"
    );
    assert_eq!(
        (slow["method"].as_str(), slow["status"].as_u64()),
        (Some("GET"), Some(200))
    );
    let read = of("read", true);
    assert!(stage(read, "queued") > stage(read, "working"), "{read}");
    let promises = of("/@@promises", true);
    assert!(
        stage(promises, "suspended") >= 0.2 && promises["publications"] == 2,
        "{promises}"
    );
    assert!(of("/@@slow", false)["ended_seconds_ago"].is_f64());
    let page = get(site.admin, "/status").unwrap();
    let rows = page
        .split("<tbody id=slowest>")
        .nth(1)
        .unwrap()
        .split("</tbody>")
        .next()
        .unwrap();
    assert_eq!(rows.matches("<tr>").count(), 4, "{rows}");
    assert!(
        rows.contains("<td class=alarm>gone</td>") && !page.contains("not-said"),
        "{page}"
    );
    let mut events = super::send(site.admin, "/status/events").unwrap();
    let mut event = Vec::new();
    while !String::from_utf8_lossy(&event).contains("<tbody id=slowest>") {
        let mut part = [0; 4096];
        let count = events.read(&mut part).unwrap();
        event.extend(&part[..count]);
    }
    drop((events, gone));
    site.end_well();
}

/// On phones and on a desktop, light and dark.
#[test]
fn the_status_page_fits_and_is_legible() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(
        &folder.path().join("data"),
        &["--connections=1", "--drain=0s"],
    );
    let stuck = site.slow(60_000);
    let _ = get(site.public[0], "/@@theme/nothing");
    let page = get(site.admin, "/status").unwrap();
    assert!(
        page.contains("<h1>Status of site ") && page.contains(">full</b>"),
        "{page}"
    );
    let url = format!("http://{}/status", site.admin);
    super::browser::fits(&folder.path().join("one"), &url);
    super::browser::is_accessible(&folder.path().join("another"), &url);
    site.signal("-TERM");
    assert_eq!(site.end().0, Some(3));
    drop(stuck);
}

#[test]
fn status_page_without_scripts_is_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &["--drain=50ms"]);
    let mut slow = site.slow(60_000);
    let beside = Beside::new(site.admin, false);
    let Some(browser) = Browser::open(folder.path(), &beside.page(), &["--dump-dom"]) else {
        return;
    };
    let shown = std::thread::spawn(move || browser.output());
    eventually("it ends", || {
        beside.serve();
        shown.is_finished()
    });
    let shown = shown.join().unwrap();
    for part in [
        "role=\"status\">Snapshot<",
        "id=\"workers-running\">1<",
        "<td class=\"words route\">/@@slow</td>",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(
        shown.contains("<td class=\"words\">publishing</td>"),
        "{shown}"
    );
    site.signal("-TERM");
    assert_eq!(site.end().0, Some(3));
    // It was cut.
    let _ = slow.read_to_end(&mut Vec::new());
}
