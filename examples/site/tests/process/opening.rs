//! Before the site is open: its addresses are bound, and it reports that it is not ready. A pipe in
//! place of a file holds it there.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;

use super::deploy::free_port;
use super::{Running, eventually, exit_code, get, give_up, program, rest, send, signal, site};

/// A pipe in a data folder: a program that opens the folder waits until something is written into
/// the pipe.
pub(super) struct Pipe {
    path: PathBuf,
    id: String,
}

impl Pipe {
    /// In a new data folder.
    pub(super) fn in_new(data: &Path) -> Self {
        Running::start(data, &[]).end_well();
        let path = data.join("blobs").join("owner");
        let id = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(program("mkfifo").arg(&path).status().unwrap().success());
        Self { path, id }
    }

    /// Waits until a program reads it.
    pub(super) fn opened(&self) -> File {
        OpenOptions::new().write(true).open(&self.path).unwrap()
    }

    /// Lets the reader continue. The next reader finds a file.
    pub(super) fn release(&self, mut opened: File) {
        let file = self.path.with_extension("new");
        fs::write(&file, &self.id).unwrap();
        fs::rename(&file, &self.path).unwrap();
        opened.write_all(self.id.as_bytes()).unwrap();
    }
}

/// A site that opens its data folder until something is written into `pipe`.
pub(super) struct Opening {
    pub(super) child: Child,
    public: SocketAddr,
    pub(super) admin: SocketAddr,
    pipe: Pipe,
}

impl Opening {
    pub(super) fn start(data: &Path) -> Self {
        let pipe = Pipe::in_new(data);
        let public = free_port();
        let admin = free_port();
        let flags = [
            format!("--listen={public}"),
            format!("--admin={admin}"),
            format!("--data={}", data.display()),
        ];
        let child = site(&flags.each_ref().map(String::as_str)).spawn().unwrap();
        let opening = Self {
            child,
            public,
            admin,
            pipe,
        };
        eventually("operators are answered", || {
            get(admin, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 503"))
        });
        opening
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        give_up(&mut self.child);
    }
}

#[test]
fn clients_during_the_start_are_answered_when_the_site_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut opening = Opening::start(folder.path());
    assert!(
        get(opening.admin, "/livez")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        get(opening.admin, "/metrics")
            .unwrap()
            .contains("\neuryale_publishers_running 0\n")
    );
    let early = send(opening.public, "/history").unwrap();
    signal(&opening.child, "-HUP");
    assert!(
        get(opening.admin, "/readyz")
            .unwrap()
            .starts_with("HTTP/1.1 503")
    );
    opening.pipe.release(opening.pipe.opened());
    assert!(rest(early).unwrap().starts_with("HTTP/1.1 200"));
    assert!(
        get(opening.admin, "/readyz")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    signal(&opening.child, "-TERM");
    assert_eq!(exit_code(&mut opening.child), Some(0));
}

#[test]
fn signal_during_the_start_ends_it_and_answers_waiting_clients() {
    let folder = tempfile::tempdir().unwrap();
    let mut opening = Opening::start(folder.path());
    let early = send(opening.public, "/history").unwrap();
    signal(&opening.child, "-TERM");
    let answer = rest(early).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"),
        "{answer}"
    );
    assert_eq!(exit_code(&mut opening.child), Some(0));
    // Nothing is broken.
    fs::remove_file(&opening.pipe.path).unwrap();
    fs::write(&opening.pipe.path, &opening.pipe.id).unwrap();
    let site = Running::start(folder.path(), &[]);
    assert!(
        get(site.public[0], "/history")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    site.end_well();
}
