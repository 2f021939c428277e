//! Requests of all kinds are in flight when the site gets SIGTERM: each is completed, or was never
//! begun.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;

use super::database::make_endless;
use super::peer::Peer;
use super::{PATIENCE, Running, eventually, get, send};

const EACH: usize = 20;

/// The points at which all threads wait for each other: when everything has begun, and when the
/// drain has.
struct Steps {
    began: Barrier,
    draining: Barrier,
}

impl Steps {
    fn pass(&self) {
        self.began.wait();
        self.draining.wait();
    }
}

fn download(site: &Running, steps: &Steps) -> Vec<u8> {
    let mut peer = send(site.public[0], "/pictures/chord.wav").unwrap();
    let mut got = vec![0; 1 << 20];
    peer.read_exact(&mut got).unwrap();
    steps.pass();
    peer.read_to_end(&mut got).unwrap();
    got
}

fn upload(site: &Running, steps: &Steps, number: usize) -> String {
    let mut peer = TcpStream::connect(site.public[0]).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let content = vec![b'u'; 2 << 20];
    let part = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{number}.bin\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    let length = part.len() + content.len() + 9;
    write!(
        peer,
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n{part}"
    )
    .unwrap();
    let (first, second) = content.split_at(content.len() / 2);
    peer.write_all(first).unwrap();
    steps.pass();
    // A refused client gets the answer, even while it sends.
    let _ = peer.write_all(&[second, b"\r\n--b--\r\n"].concat());
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer
}

fn suspended(site: &Running, steps: &Steps) -> String {
    let mut peer = send(site.public[0], "/@@promises?n=3&ms=1500").unwrap();
    steps.pass();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn requests_in_flight_are_finished() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--drain=30s"]);
    let (_, chord) = site.chord();
    let barrier = || Barrier::new(3 * EACH + 1);
    let steps = Steps {
        began: barrier(),
        draining: barrier(),
    };
    std::thread::scope(|scope| {
        let site = &site;
        let steps = &steps;
        let downloads: Vec<_> = (0..EACH)
            .map(|_| scope.spawn(move || download(site, steps)))
            .collect();
        let uploads: Vec<_> = (0..EACH)
            .map(|number| scope.spawn(move || upload(site, steps, number)))
            .collect();
        let suspended: Vec<_> = (0..EACH)
            .map(|_| scope.spawn(move || suspended(site, steps)))
            .collect();
        steps.began.wait();
        site.counts("euryale_requests_suspended", EACH);
        site.signal("-TERM");
        eventually("it drains", || {
            get(site.admin, "/readyz")
                .unwrap()
                .starts_with("HTTP/1.1 503")
        });
        steps.draining.wait();
        for download in downloads {
            let got = download.join().unwrap();
            let begin = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            assert!(got[begin..] == chord, "byte for byte");
        }
        for answer in uploads.into_iter().map(|upload| upload.join().unwrap()) {
            let status = &answer[..12];
            assert!(
                ["HTTP/1.1 201", "HTTP/1.1 303", "HTTP/1.1 503"].contains(&status),
                "{answer}"
            );
        }
        for answer in suspended
            .into_iter()
            .map(|suspended| suspended.join().unwrap())
        {
            assert!(
                answer.contains("answer 1.3 took") || answer.starts_with("HTTP/1.1 503"),
                "{answer}"
            );
        }
    });
    let (code, said) = site.end();
    assert_eq!(code, Some(0), "{said}");
}

/// The log names what is cut: work that never ends, and responses that nobody reads.
#[test]
fn cut_requests_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--drain=200ms"]);
    let slow = site.slow(60_000);
    let mut unread = Peer::connect(site.public[0]).unwrap();
    unread
        .send("GET /pictures/chord.wav HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    site.counts("euryale_blobs_open", 1);
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    let cut = |path: &str, phase: &str| {
        said.lines()
            .any(|line| line.contains("cut") && line.contains(path) && line.contains(phase))
    };
    assert!(
        cut("/@@slow", "working") && cut("/pictures/chord.wav", "sending"),
        "{said}"
    );
    assert!(said.contains("left behind route=/@@slow phase="), "{said}");
    drop((slow, unread));
}

/// A reader is stopped when its client is cut, a writer when the drain times out.
#[test]
fn endless_queries_end_with_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--drain=300ms"]);
    make_endless(folder.path());
    let reader = send(site.public[0], "/@@counter").unwrap();
    let mut writer = TcpStream::connect(site.public[0]).unwrap();
    let post = "POST /@@counter HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    writer.write_all(post.as_bytes()).unwrap();
    site.counts("euryale_publishers_running", 2);
    site.signal("-TERM");
    let (code, said) = site.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("0 jobs and 0 tasks still run"), "{said}");
    assert!(!said.contains("left behind"), "{said}");
    drop((reader, writer));
}

/// A client that is about to send its next request is answered, unless the lame duck is off.
#[test]
fn idle_client_is_answered_during_the_lame_duck() {
    let folder = tempfile::tempdir().unwrap();
    for (lame_duck, is_answered) in [("--lame-duck=10s", true), ("--lame-duck=0s", false)] {
        let site = Running::start(folder.path(), &[lame_duck]);
        let mut client = Peer::connect(site.public[0]).unwrap();
        assert_eq!(client.get("/").unwrap().status, 200);
        site.signal("-TERM");
        eventually("the drain begins", || {
            site.said().contains("a second signal ends the drain")
        });
        if is_answered {
            let answer = client.get("/").unwrap();
            assert!(
                answer.head.contains("\r\nconnection: close\r\n"),
                "{}",
                answer.head
            );
        } else {
            assert!(client.answer().is_err(), "the socket is closed");
        }
        let (code, said) = site.end();
        assert_eq!(code, Some(0), "{said}");
    }
}
