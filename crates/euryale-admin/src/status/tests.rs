use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::ledger::{Book, Counter, Figures, Gauge, Histogram, Kind};
use euryale_sendfile::SendfileBook;
use euryale_server::{Readiness, Shutdown};
use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::time::{Instant, advance};

use super::history::{Counts, History, Sample};
use super::{Held, Status, StatusDetails, VIEWERS};

const SECOND: Duration = Duration::from_secs(1);

const NASTY: &str = "<script>alert('&')</script>\"\u{1}";

fn nasty() -> StatusDetails {
    StatusDetails::new()
        .oldest_wait(Duration::from_millis(1500))
        .held(Held::new(SECOND))
        .held(
            Held::new(3 * SECOND)
                .waited(Duration::from_millis(20))
                .route(NASTY)
                .lane(NASTY)
                .phase(NASTY)
                .attempt(2, 3),
        )
        .fact("Theme", "Version", "3f2a")
        .alarm(NASTY, NASTY, NASTY)
}

/// Counters of crates on which this one does not depend, but which the page shows.
#[derive(Debug, Default)]
struct OthersBook {
    cap: Gauge,
    running: Gauge,
    wait_seconds: Histogram,
    theme_seconds: Histogram,
    theme_failures: Counter,
}

impl Book for OthersBook {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge("euryale_connections_cap", "", &self.cap);
        figures.peaked("euryale_publishers_running", "", &self.running);
        figures.histogram("euryale_queue_wait_seconds", "", &self.wait_seconds);
        if self.theme_seconds.count() > 0 {
            let theme = &[("transform", "theme <b>")];
            figures
                .family("euryale_transform_seconds", "", Kind::Histogram)
                .series(theme, &self.theme_seconds);
            figures
                .family("euryale_transform_failures_total", "", Kind::Counter)
                .series(theme, &self.theme_failures);
        }
    }
}

fn status(details: fn() -> StatusDetails) -> (Ledger, Shutdown, Status) {
    let ledger = Ledger::new();
    let shutdown = Shutdown::new();
    let status = Status::new(ledger.clone(), Readiness::new(&shutdown), details);
    (ledger, shutdown, status)
}

async fn body(status: &Status, path: &str, accept: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("accept", accept.parse().unwrap());
    let body = status
        .answer(path, &headers, true)
        .into_body()
        .collect()
        .await
        .unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn text_of_the_program_is_escaped() {
    let (_, _, status) = status(nasty);
    let page = body(&status, "/status", "text/html").await;
    assert_eq!(page.matches("<script").count(), 1, "its own: {page}");
    let escaped = "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;&quot;";
    assert_eq!(
        page.matches(escaped).count(),
        6,
        "route, lane, phase and a fact: {page}"
    );
    assert!(
        page.contains("<dt>Version</dt><dd>3f2a</dd>") && page.contains("<dd class=alarm>&lt;"),
        "{page}"
    );
    // The longest time is first.
    assert!(
        page.find("3.0 s").unwrap() < page.find("1.0 s").unwrap(),
        "{page}"
    );
}

#[tokio::test]
async fn host_and_program_are_named() {
    let (_, _, mut status) = status(StatusDetails::new);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let page = body(&status, "/status", "text/html").await;
    assert!(
        page.contains(&format!("<h1>Status of {host}</h1>")),
        "{page}"
    );
    status.program = Some(NASTY.into());
    let page = body(&status, "/status", "text/html").await;
    assert!(
        page.contains(&format!("&quot;\u{1} on {host}</h1>")),
        "{page}"
    );
    assert_eq!(page.matches("<script").count(), 1, "its own: {page}");
    let json: serde_json::Value =
        serde_json::from_str(&body(&status, "/status.json", "*/*").await).unwrap();
    assert_eq!(
        (&json["host"], &json["program"]),
        (&host.into(), &NASTY.into())
    );
}

#[tokio::test]
async fn full_workers_are_called_full() {
    let (ledger, _, status) = status(StatusDetails::new);
    ledger.of::<OthersBook>().cap.set(2);
    for (running, is_full) in [(1, false), (2, true)] {
        ledger.of::<OthersBook>().running.add(1);
        let page = body(&status, "/status", "text/html").await;
        let full = format!("<p id=trend-running>{running} <small>of 2</small> <b>full</b></p>");
        assert_eq!(page.contains(&full), is_full, "{page}");
        assert_eq!(page.contains("full</b>"), is_full, "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn json_has_the_numbers_of_the_page() {
    let (ledger, _, status) = status(nasty);
    ledger.of::<OthersBook>().cap.set(2);
    ledger.of::<OthersBook>().running.add(1);
    ledger.lanes.of("files").running.add(3);
    ledger.of::<OthersBook>().theme_failures.add(1);
    ledger.of::<OthersBook>().theme_seconds.record(SECOND);
    ledger.of::<SendfileBook>().bytes.add(1 << 20);
    ledger
        .of::<OthersBook>()
        .wait_seconds
        .record(Duration::from_secs(60));
    // This is the first view, so rates per second are unknown.
    let first: serde_json::Value =
        serde_json::from_str(&body(&status, "/status", "application/json").await).unwrap();
    assert_eq!(first["recent_seconds"], serde_json::Value::Null);
    assert_eq!(
        first["blobs"]["sendfile_bytes_per_second"],
        serde_json::Value::Null
    );
    advance(4 * SECOND).await;
    ledger.of::<SendfileBook>().bytes.add(4 << 20);
    ledger
        .of::<OthersBook>()
        .wait_seconds
        .record(Duration::from_micros(100));
    let text = body(&status, "/status.json", "*/*").await;
    let page = body(&status, "/status", "text/html,application/json").await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (name, part, row, value, shown) in [
        (
            "state",
            "",
            "",
            serde_json::json!("ready"),
            "<p id=state class=\"state\">ready</p>",
        ),
        (
            "running",
            "workers",
            "running",
            1.into(),
            "<dd id=workers-running>1</dd>",
        ),
        (
            "cap",
            "workers",
            "cap",
            2.into(),
            "<dd id=workers-cap>2</dd>",
        ),
        (
            "oldest",
            "queue",
            "oldest_wait_seconds",
            1.5.into(),
            "<dd id=queue-oldest_wait_seconds>1.5 s</dd>",
        ),
        (
            "bytes",
            "blobs",
            "sendfile_bytes",
            (5 << 20).into(),
            "<dd id=blobs-sendfile_bytes>5.0 MiB</dd>",
        ),
        (
            "rate",
            "blobs",
            "sendfile_bytes_per_second",
            f64::from(1 << 20).into(),
            "<dd id=blobs-sendfile_bytes_per_second>1.0 MiB/s</dd>",
        ),
    ] {
        let found = if part.is_empty() {
            &json[name]
        } else {
            &json[part][row]
        };
        assert_eq!(*found, value, "{name}: {text}");
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    assert_eq!(json["recent_seconds"], 4.0);
    let wait = &json["times"]["queue_wait"];
    // Since the start, one of two requests waited for a minute, which is beyond all bounds.
    // Recently there was another request.
    assert_eq!(
        (&wait["ever"]["p99"], &wait["recent"]["p99"]),
        (&serde_json::Value::Null, &0.000_099.into())
    );
    assert!(page.contains("<td>over 10 s</td>"), "{page}");
    let lane = serde_json::json!(
        {"name": "files", "running": 3, "running_peak": 3, "waiting": 0, "refused": 0}
    );
    assert_eq!(json["lanes"], serde_json::json!([lane]));
    let transform = &json["transforms"][0];
    assert_eq!(
        (&transform["name"], &transform["failures"]),
        (&"theme <b>".into(), &1.into())
    );
    assert!(page.contains("theme &lt;b&gt;</th><td>1</td>"), "{page}");
    let held = serde_json::json!({
        "age_seconds": 3.0, "waited_seconds": 0.02, "route": NASTY, "lane": NASTY, "phase": NASTY,
        "attempt": 2, "pass": 3,
    });
    assert_eq!(json["held"][0], held);
    assert_eq!(json["held"][1]["route"], serde_json::Value::Null);
    let alarm = serde_json::json!({"group": NASTY, "name": NASTY, "value": NASTY, "alarm": true});
    assert_eq!(json["facts"][1], alarm);
}

#[tokio::test(start_paused = true)]
async fn events_are_sent_each_second_until_the_drain_begins() {
    let (_, shutdown, status) = status(StatusDetails::new);
    let mut live = status
        .answer("/status/events", &HeaderMap::new(), true)
        .into_body();
    let mut next = async || {
        let frame = live.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    let begin = Instant::now();
    for second in 0..3 {
        let event = next().await.unwrap();
        assert!(
            event.starts_with("event: status\ndata: <p id=state ") && event.ends_with("\n\n"),
            "{event}"
        );
        assert!(
            event
                .trim_end()
                .lines()
                .skip(1)
                .all(|line| line.starts_with("data: ")),
            "{event}"
        );
        assert_eq!(begin.elapsed().as_secs(), second);
    }
    shutdown.drain();
    let last = next().await.unwrap();
    assert!(
        last.starts_with("event: drain\n") && last.contains(">draining</p>"),
        "{last}"
    );
    assert_eq!(begin.elapsed().as_secs(), 2, "at once");
    assert_eq!(next().await, None);
    let again = status.answer("/status/events", &HeaderMap::new(), true);
    assert_eq!(again.status(), 204, "browsers do not come again");
}

#[tokio::test]
async fn the_number_of_viewers_is_limited() {
    let (_, _, status) = status(StatusDetails::new);
    let ask = |wants_body| status.answer("/status/events", &HeaderMap::new(), wants_body);
    let mut viewers: Vec<_> = (0..VIEWERS).map(|_| ask(true)).collect();
    assert!(viewers.iter().all(|answer| answer.status() == 200));
    assert_eq!(ask(true).status(), 503);
    assert_eq!(ask(false).status(), 200, "of HEAD nobody looks on");
    viewers.pop();
    assert_eq!(ask(true).status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_history_is_bounded_and_has_gaps() {
    let ledger = Ledger::new();
    let mut history = History::default();
    let mut look = async |pause: Duration| {
        advance(pause).await;
        ledger.of::<OthersBook>().running.add(1);
        let now = Sample::of(&ledger.figures(), Instant::now());
        history.add(&now);
        history.values(now.at, |sample| sample.running)
    };
    for _ in 0..5 {
        look(SECOND / 2).await;
    }
    let line = look(SECOND / 2).await;
    assert_eq!(
        line,
        [None, Some((2.5, 1.0)), Some((1.5, 3.0)), Some((0.5, 5.0))],
        "not nearer than 0.9 s"
    );
    let line = look(10 * SECOND).await;
    assert_eq!(
        (line[4], line[5]),
        (None, Some((0.0, 7.0))),
        "nobody looked meanwhile"
    );
    for _ in 0..300 {
        look(SECOND).await;
    }
    assert!(look(SECOND).await.len() <= 122);
}

#[test]
fn quantiles_are_interpolated_within_their_buckets() {
    let histogram = Histogram::default();
    let of = |histogram: &Histogram, share| Counts::of(&histogram.distribution()).quantile(share);
    assert_eq!(of(&histogram, 0.5), None);
    for _ in 0..100 {
        histogram.record(Duration::from_millis(20));
    }
    assert!(
        (of(&histogram, 0.5).unwrap() - 0.0175).abs() < 1e-9,
        "half-way from 10 to 25 ms"
    );
    histogram.record(Duration::from_secs(11));
    assert_eq!(of(&histogram, 1.0), Some(f64::INFINITY));
}
