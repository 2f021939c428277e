//! Programs that download: they resume, request parts, and ask whether anything has changed.

use std::fs;
use std::path::Path;
use std::process::Output;

use super::{Running, program};

/// A file of 20 MB that every new site has.
const CHORD: &str = "/pictures/chord.wav";

/// Runs a program. `None` if it is not installed, which is reported.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Option<Output> {
    match program(name).args(arguments).env("http_proxy", "").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            euryale_test::skip(&format!("{name} is not installed"));
            None
        }
        output => Some(output.unwrap()),
    }
}

/// The output of a program that ended successfully.
#[track_caller]
pub(crate) fn printed(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

impl Running {
    pub(crate) fn chord(&self) -> (String, Vec<u8>) {
        let answer = self.peer().get(CHORD).unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 21_168_044));
        (format!("http://{}{CHORD}", self.public[0]), answer.body)
    }

    fn sent_by_sendfile(&self) -> u64 {
        self.metric("euryale_blob_bytes_total{path=\"sendfile\"}")
    }
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn curl_resumes_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    let (url, chord) = site.chord();
    let file = folder.path().join("chord.wav");
    let half = 7_654_321;
    fs::write(&file, &chord[..half]).unwrap();
    let sent = site.sent_by_sendfile();
    let Some(output) = run(
        "curl",
        &[
            "-sSf",
            "-C",
            "-",
            "-w",
            "%{http_code}",
            "-o",
            name(&file),
            &url,
        ],
    ) else {
        return;
    };
    assert_eq!(printed(output), "206");
    assert!(fs::read(&file).unwrap() == chord);
    super::eventually("only the rest was sent", || {
        site.sent_by_sendfile() == sent + (chord.len() - half) as u64
    });
    site.end_well();
}

#[test]
fn curl_asks_for_parts() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    let (url, chord) = site.chord();
    let head = folder.path().join("head");
    let body = folder.path().join("body");
    let ask = |range| {
        run(
            "curl",
            &[
                "-sSf",
                "-r",
                range,
                "-D",
                name(&head),
                "-o",
                name(&body),
                &url,
            ],
        )
    };
    for (range, part) in [
        ("0-0", &chord[..1]),
        ("-1", &chord[chord.len() - 1..]),
        ("1000000-1999999", &chord[1_000_000..2_000_000]),
        ("0-99,50-149", &chord[..150]),
    ] {
        let Some(output) = ask(range) else { return };
        printed(output);
        assert!(fs::read(&body).unwrap() == part, "{range}");
    }
    let Some(output) = ask("0-99,10000000-10099999,-100") else {
        return;
    };
    printed(output);
    let head = fs::read_to_string(&head).unwrap();
    let body = fs::read(&body).unwrap();
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    let boundary = head
        .split("multipart/byteranges; boundary=")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let mut all = Vec::new();
    for (first, last) in [
        (0, 99),
        (10_000_000, 10_099_999),
        (chord.len() - 100, chord.len() - 1),
    ] {
        let before = if first == 0 { "" } else { "\r\n" };
        let kind = "Content-Type: audio/";
        let len = chord.len();
        let kind = String::from_utf8_lossy(&body)
            .lines()
            .find(|line| line.starts_with(kind))
            .unwrap()
            .to_owned();
        let range = format!("Content-Range: bytes {first}-{last}/{len}");
        all.extend_from_slice(
            format!("{before}--{boundary}\r\n{kind}\r\n{range}\r\n\r\n").as_bytes(),
        );
        all.extend_from_slice(&chord[first..=last]);
    }
    all.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(body == all);
    site.end_well();
}

#[test]
fn curl_asks_whether_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    let (url, chord) = site.chord();
    let file = folder.path().join("file");
    let tag = folder.path().join("tag");
    let file = name(&file);
    let tag = name(&tag);
    // The program gives the file the modification time of the original.
    let first = [
        "-sSf",
        "-R",
        "--etag-save",
        tag,
        "-w",
        "%{http_code}",
        "-o",
        file,
        &url,
    ];
    let Some(output) = run("curl", &first) else {
        return;
    };
    assert_eq!(printed(output), "200");
    assert!(fs::read(file).unwrap() == chord);
    let other = folder.path().join("other");
    let asks: [(&[&str], &str); 4] = [
        (&["-z", file], "304 0"),
        (&["--etag-compare", tag], "304 0"),
        (&["-z", "1 Jan 2000", "-r", "0-9"], "206 10"),
        (&["-H", "If-None-Match: \"another\"", "-r", "0-9"], "206 10"),
    ];
    for (condition, expected) in asks {
        let rest = [
            "-sSf",
            "-w",
            "%{http_code} %{size_download}",
            "-o",
            name(&other),
            &url,
        ];
        let Some(output) = run("curl", &[condition, rest.as_slice()].concat()) else {
            return;
        };
        assert_eq!(printed(output), expected, "{condition:?}");
    }
    site.end_well();
}

#[test]
fn wget_resumes_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    let (url, chord) = site.chord();
    let file = folder.path().join("chord.wav");
    fs::write(&file, &chord[..chord.len() / 2]).unwrap();
    let sent = site.sent_by_sendfile();
    // The second time there is nothing to do.
    for _ in 0..2 {
        let Some(output) = run(
            "wget",
            &["--no-proxy", "-q", "-c", "-P", name(folder.path()), &url],
        ) else {
            return;
        };
        printed(output);
        assert!(fs::read(&file).unwrap() == chord);
    }
    let rest = (chord.len() - chord.len() / 2) as u64;
    super::eventually("only the rest was sent", || {
        site.sent_by_sendfile() == sent + rest
    });
    site.end_well();
}
