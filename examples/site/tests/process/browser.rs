//! A browser that plays a sound from the middle, and one that shows pages.

mod axe;
mod devtools;
mod look;
mod tour;

pub(super) use self::axe::is_accessible;
pub(super) use self::look::fits;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use super::{PATIENCE, Running, program};

/// Goes to second 100 of 120, and plays from there. The page has another origin, because the site's
/// own pages run no scripts.
const PAGE: &str = "<!doctype html>
<audio preload=metadata></audio>
<script>
const audio = document.querySelector('audio');
const say = words => fetch('/said/' + words.join('/'));
audio.onloadedmetadata = () => { audio.currentTime = 100; };
audio.onseeked = () => { audio.onseeked = null; audio.play().catch(error => say(['error', \
error.name])); };
audio.onerror = () => say(['error', audio.error.code]);
audio.ontimeupdate = () => {
    if (audio.seeking || audio.currentTime <= 100) return;
    audio.ontimeupdate = null;
    say(['played', audio.duration, audio.currentTime]);
};
audio.src = 'SOUND';
</script>
";

/// A running browser. When it is dropped, it is ended by its id, together with its children.
pub(super) struct Browser(Child);

impl Browser {
    /// With a separate profile in `folder`. `None` if there is no browser, which is reported.
    pub(super) fn open(folder: &Path, page: &str, more: &[&str]) -> Option<Self> {
        let mut command = program("chromium");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--no-proxy-server",
        ]);
        command
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .args(more)
            .arg(page);
        // It prints a lot, and nobody reads it.
        command.stderr(Stdio::null());
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                euryale_test::skip("chromium is not installed");
                None
            }
            child => Some(Self(child.unwrap())),
        }
    }

    /// Its standard output, until it ends by itself.
    pub(super) fn output(mut self) -> String {
        let mut output = String::new();
        self.0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut output)
            .unwrap();
        output
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        super::signal(&self.0, "-TERM");
        // Its exit code means nothing.
        let _ = self.0.wait();
    }
}

/// Serves the page, and waits for its report.
fn heard(listener: &TcpListener, sound: &str) -> String {
    listener.set_nonblocking(true).unwrap();
    loop {
        let mut came = None;
        super::eventually("the browser asks", || {
            came = listener.accept().ok();
            came.is_some()
        });
        let (mut stream, _) = came.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map_while(Result::ok);
        // A browser also opens sockets that it does not use afterwards.
        let Some(first) = lines.next() else { continue };
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let page = PAGE.replace("SOUND", sound);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n";
        stream
            .write_all((head.to_owned() + &page).as_bytes())
            .unwrap();
        if let Some(said) = first.strip_prefix("GET /said/") {
            return said.split(' ').next().unwrap().to_owned();
        }
    }
}

#[test]
fn browser_plays_a_sound_from_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&folder.path().join("data"), &[]);
    let sound = format!("http://{}/pictures/chord.wav", site.public[0]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/", listener.local_addr().unwrap());
    let quietly = ["--mute-audio", "--autoplay-policy=no-user-gesture-required"];
    let Some(browser) = Browser::open(folder.path(), &page, &quietly) else {
        return;
    };
    let said = heard(&listener, &sound);
    let (duration, at) = said
        .strip_prefix("played/")
        .and_then(|played| played.split_once('/'))
        .expect(&said);
    assert_eq!(duration, "120", "{said}");
    let at: f64 = at.parse().unwrap();
    assert!((100.0..=120.0).contains(&at), "{said}");
    drop(browser);
    site.counts("euryale_blobs_open", 0);
    assert_eq!(site.metric("euryale_blobs_total{path=\"read\"}"), 0);
    let said = site.end_well();
    // The beginning of the file, and then a part near the position: 100 s are 17,640,000 of its
    // 21,168,044 bytes.
    let asked: Vec<u64> = said
        .lines()
        .filter_map(|line| {
            line.split_once("GET /pictures/chord.wav status=206 bytes=")?
                .1
                .split(' ')
                .next()
        })
        .map(|bytes| bytes.parse().unwrap())
        .collect();
    assert!(
        asked.contains(&21_168_044) && asked.iter().any(|bytes| *bytes < 4_000_000),
        "{said}"
    );
}
